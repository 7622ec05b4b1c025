"""Random ``kill -9`` of agent and guard over short charges; afterwards the book must equal the meter to the watt-hour.

    python -m tests.process.soak_kill --kills 200 --charges 40 --seed 1

Exit code 0: every transaction has one start and one stop, its registers are those of moments with an open contactor,
and all of them together are what the meter counted. Otherwise 1, and the evidence stays in the folder that is named.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from hil.client import BenchError
from hil.csms_link import CsmsRefused
from hil.house import House
from hil.launch import LaunchFailed
from tests.process.charges import VERSIONS, house_options, wait_registered
from tests.process.evidence import keep_evidence, summary_of

CARDS: Final = ("04A2B3C4D5", "0511223344", "06AABBCCDD")
GAP_S: Final = (0.05, 2.0)  # between two kills
COUNTED_WH: Final = 2.0  # so much is charged at least, each time
TRY_S: Final = 6.0  # a person at the station tries again after so long
GIVE_UP_S: Final = 120.0  # one charge, with all its kills
ABSENT_S: Final = 1.3  # a card must have been away for a second before it counts again

Tell = Callable[[str], None]


class SoakFailed(Exception):
    """A charge did not come about or did not end; the text says which and why."""


async def soak(house: House, *, kills: int, charges: int, seed: int, tell: Tell) -> list[str]:
    """Play ``charges`` charges in ``house`` with ``kills`` kills spread over them; return everything that is wrong."""
    rng = random.Random(seed)
    await wait_registered(house)
    begin_s, done = time.monotonic(), 0
    for number in range(1, charges + 1):
        share = kills * number // charges - done
        killer = asyncio.create_task(_kill(house, share, random.Random(rng.random())))
        try:
            async with asyncio.timeout(GIVE_UP_S):
                await _charge(house, rng)
                await killer
                await house.csms.ask("wait", open=0, timeout_s=GIVE_UP_S)
        except (TimeoutError, BenchError, CsmsRefused, LaunchFailed) as error:
            return [f"charge {number} was not over within {GIVE_UP_S:g} s: {error}"]
        finally:
            killer.cancel()
            await asyncio.gather(killer, return_exceptions=True)
        done += share
        wrong = verdict(await house.ledger(), (await house.bench.state())["evses"]["1"]["energisings"])
        if wrong:
            return wrong
        spent_s = time.monotonic() - begin_s
        left_s = spent_s / number * (charges - number)
        tell(f"charge {number}/{charges}, {done}/{kills} kills, exact; {spent_s:.0f} s, about {left_s:.0f} s left")
    return []


def verdict(book: dict[str, Any], energisings: Sequence[dict[str, Any]]) -> list[str]:
    """Return everything that is wrong with a book whose transactions are all over."""
    rows = book["transactions"]
    wrong = [f"{each['kind']}: {each['text']}" for each in book["problems"]]
    for row in rows:
        name = f"transaction {row['transaction_id']}"
        if not (row["started"] and row["ended"]):
            wrong.append(f"{name}: started {row['started']}, ended {row['ended']}")
        if row["doubled"]:
            wrong.append(f"{name}: {row['doubled']} came twice under different message ids")
    for row, following in itertools.pairwise(rows):
        if row["stop_wh"] != following["start_wh"]:
            name = f"transaction {row['transaction_id']}"
            wrong.append(f"{name} stops at {row['stop_wh']} Wh, the next one starts at {following['start_wh']} Wh")
    for energising in energisings:
        span = (energising["closed_wh"], energising["opened_wh"])
        owners = [row for row in rows if row["start_wh"] <= span[0] and span[1] <= row["stop_wh"]]
        if span[0] != span[1] and len(owners) != 1:
            wrong.append(f"{span[0]}-{span[1]} Wh belongs to {len(owners)} transactions")
        if any(row["stop_received_s"] < energising["opened_s"] for row in owners if span[0] != span[1]):
            wrong.append(f"a stop was sent before the contactor was open at {span[1]} Wh")
    billed_wh = sum(row["energy_wh"] for row in rows)
    counted_wh = sum(each["opened_wh"] - each["closed_wh"] for each in energisings)
    if billed_wh != counted_wh:
        wrong.append(f"{billed_wh} Wh billed, {counted_wh} Wh counted")
    return wrong


async def _charge(house: House, rng: random.Random) -> None:
    """Be the person at the station: try until it charges, take some energy, try until it is over."""
    card = rng.choice(CARDS)
    await house.bench.plug(evse=1)
    wanted_wh = (await house.bench.state())["evses"]["1"]["energy_wh"] + COUNTED_WH
    while (await house.bench.state())["evses"]["1"]["energy_wh"] < wanted_wh:
        if not await _anything_open(house):
            await _tap(house, card)
        await _within(house, "evse1.energy_wh", ">=", wanted_wh)
    if rng.random() < 0.5:
        while await _anything_open(house):
            await _tap(house, card)
            await _closed(house)
    await house.bench.unplug(evse=1)
    await house.bench.wait("evse1.load", "==", False, timeout_s=GIVE_UP_S)


async def _anything_open(house: House) -> bool:
    live = bool((await house.bench.state())["evses"]["1"]["live"])
    return live or any(not row["ended"] for row in (await house.ledger())["transactions"])


async def _tap(house: House, card: str) -> None:
    """Lay the card down until the station has seen it or a while has passed."""
    log = house.directory / "agent.log"
    seen = log.read_text(errors="replace").count('"card.presented"')
    await house.bench.card_present(uid=card)
    give_up_s = time.monotonic() + TRY_S
    while log.read_text(errors="replace").count('"card.presented"') == seen and time.monotonic() < give_up_s:
        await asyncio.sleep(0.05)
    await house.bench.card_remove()
    await asyncio.sleep(ABSENT_S)


async def _within(house: House, signal: str, op: str, value: float) -> None:
    try:
        await house.bench.wait(signal, op, value, timeout_s=TRY_S)
    except BenchError:
        return  # the person looks again and decides


async def _closed(house: House) -> None:
    try:
        await house.csms.ask("wait", open=0, timeout_s=TRY_S)
    except CsmsRefused:
        return  # the person looks again and decides


async def _kill(house: House, kills: int, rng: random.Random) -> None:
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(*GAP_S))
        role = rng.choice(("agent", "guard"))
        await _kill_once(house, role)


async def _kill_once(house: House, role: str) -> None:
    restarts = house.restarts[role]
    await house.kill(role)
    await house.until(lambda: house.restarts[role] > restarts, what=f"the {role}'s restart", timeout_s=GIVE_UP_S)


async def _main(options: argparse.Namespace) -> int:
    directory = options.dir or Path(tempfile.mkdtemp(prefix="soak-"))
    house = House(directory, house_options(options.ocpp))
    async with house:

        def tell(text: str) -> None:
            print(text, flush=True)

        wrong = await soak(house, kills=options.kills, charges=options.charges, seed=options.seed, tell=tell)
        if wrong:
            await asyncio.to_thread(keep_evidence, directory)
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        print(summary_of(directory), file=sys.stderr)
        print(f"seed {options.seed}; evidence in {directory}", file=sys.stderr)
        return 1
    if options.dir is None:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{options.kills} kills over {options.charges} charges: the book equals the meter")
    return 0


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.process.soak_kill", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--charges", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--ocpp", choices=VERSIONS, default="1.6")
    parser.add_argument("--dir", type=Path, help="folder to work in; default: a new one, kept when it fails")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
