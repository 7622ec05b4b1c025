"""``python -m tests.acceptance [NAME...]``: play every case against other people's back ends and say what passed.

Exit code 0: all of them; 1: a case failed; 2: none failed, but a product could not be had.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from hil.client import BenchError
from hil.csms_link import CsmsRefused
from hil.house import House, HouseOptions
from hil.launch import LaunchFailed
from tests.acceptance.back_ends import PRODUCTS
from tests.acceptance.cases import CORE, Case
from tests.acceptance.cases_201 import CASES_201
from tests.acceptance.products import PASSWORD, Desk, NotInstalled, Product, running
from tests.acceptance.profile_cases import PROFILES
from tests.process.houses import CARD, Stay, place

LOCK_MOVES: Final = 7  # of the ten that a lock's motor stands in a minute; a case needs no more than the rest
LOCK_S: Final = 60.0

CASES: Final = {"1.6": (*CORE, *PROFILES), "2.0.1": CASES_201}


async def play(product: Product, directory: Path) -> bool:
    """Play every case; one that fails ends the row, because the next ones count on it."""
    command = await asyncio.to_thread(product.command)
    house = House(directory, HouseOptions(station=product.station()))
    cases = [each for each in CASES[product.ocpp] if each.__name__ not in product.cannot]
    async with house.prepared(), running(product, command, directory, card=CARD) as csms:
        await house.open_world()
        secret = directory / "csms-password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o600)
        await house.bench.net_target(port=csms.port)
        await house.start_station()
        stay = Stay(house)
        for number, case in enumerate(cases):
            if not await passes(case, stay, csms):
                print(f"{number} of {len(cases)} cases passed against {product.package} in OCPP {product.ocpp}")
                return False
    for name, why in product.cannot.items():
        print(f"left out {name}: {why}")
    print(f"{len(cases)} of {len(cases)} cases passed against {product.package} in OCPP {product.ocpp}", flush=True)
    return True


async def passes(case: Case, stay: Stay, csms: Desk) -> bool:
    """Play one case; the product may not have found anything wrong with what the station said."""
    what = (case.__doc__ or "").strip().rstrip(".")
    await let_the_lock_rest(stay)
    begin_s = time.monotonic()
    try:
        await case(stay, csms)
        complaints = await csms.complaints()
        assert complaints == [], f"the product complains: {complaints}"
    except (AssertionError, TimeoutError, BenchError, CsmsRefused, LaunchFailed) as error:
        print(f"FAILED  {what}: {error or 'it took too long'}", flush=True)
        for role in ("guard", "agent", csms.product.name):
            print(f"--- {role}.log\n{(stay.house.directory / f'{role}.log').read_text(errors='replace')[-3000:]}")
        return False
    print(f"passed  {what} ({time.monotonic() - begin_s:.1f} s)", flush=True)
    return True


async def let_the_lock_rest(stay: Stay) -> None:
    """Wait until the guard may move the lock at once: what people do in half an hour happens here in one minute."""
    moved_s = [at_s for at_s, _, _ in await stay.bench.trace("evse1.lock")]
    if len(moved_s) > LOCK_MOVES:
        await stay.clock_at(moved_s[-LOCK_MOVES - 1] + LOCK_S)


async def main() -> int:
    """Install, run, play, one product after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=(__doc__ or "").splitlines()[0])
    names = [each.name for each in PRODUCTS]
    parser.add_argument("name", nargs="*", help=f"of {', '.join(names)}; default: all")
    wanted = parser.parse_args().name or names
    if unknown := set(wanted) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(names)}")
    failed, missing = [], []
    for product in PRODUCTS:
        if product.name not in wanted:
            continue
        print(f"\n== {product.package}, OCPP {product.ocpp}", flush=True)
        try:
            async with place() as directory:
                if not await play(product, directory):
                    failed.append(product.name)
        except NotInstalled as error:
            print(f"not played: {error}", file=sys.stderr, flush=True)
            missing.append(product.name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    if missing:
        print(f"\nnot played: {', '.join(missing)}")
    return 1 if failed else 2 if missing else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
