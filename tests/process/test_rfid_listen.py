"""``charge-agent rfid listen`` beside a running agent and without one, on a PN532 with a card of seven bytes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.process.houses import PATIENCE_S, options, stay

REPOSITORY = Path(__file__).parents[2]
CARD = "04A1B2C3D4E5F6"


@asynccontextmanager
async def listening(station: Path, *words: str) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", "rfid", "listen", "--config", str(station), "--seconds", "60", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if "--json" in words:
            await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)  # it says how it listens
        else:
            await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


async def card_of(lines: asyncio.StreamReader) -> dict[str, Any]:
    return dict(json.loads(await asyncio.wait_for(lines.readline(), PATIENCE_S)))


async def test_the_technician_sees_what_a_card_says_and_what_would_become_of_it() -> None:
    house_options = options()
    with_pn532 = replace(house_options, station=replace(house_options.station, reader="pn532"))
    async with stay(with_pn532) as guest:
        house = guest.house
        await guest.online()
        async with listening(house.station_file, "--json") as lines:
            await house.bench.card_present(uid=CARD)
            card = await card_of(lines)
            await house.bench.card_remove()
        assert (card["reader"], card["uid"], card["kind"], card["random"]) == ("reader-0", CARD, "ISO14443", False)
        assert CARD.lower() in card["raw"].replace(" ", "")
        assert card["explained"]["online"]["text"]
        await house.kill("agent", restart=False)
        async with listening(house.station_file) as lines:
            await house.bench.card_present(uid=CARD)
            said = [(await asyncio.wait_for(lines.readline(), PATIENCE_S)).decode()]
            while "offline" not in said[-1]:
                said.append((await asyncio.wait_for(lines.readline(), PATIENCE_S)).decode())
        text = "".join(said)
        assert "reader-0: 7 bytes" not in text  # bytes of the wire are shown as they come, frame and all
        assert f"reader-0: {CARD}\n" in text
        assert f"1.6: idTag '{CARD}'; 2.0.1: idToken '{CARD}' of type ISO14443" in text
