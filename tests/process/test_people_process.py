"""Light, buzzer and button of a whole station on the bench: pressed, seen and heard from the world's side."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.process.houses import PATIENCE_S, Stay, options, stay

pytestmark = pytest.mark.process
PEOPLE = """
buzzer = {{ line = "evse{id}.buzzer" }}
button = {{ line = "evse{id}.button" }}
"""
COLOURS = "{ " + ", ".join(f'{each} = {{ line = "evse1.led_{each}" }}' for each in ("red", "green", "blue")) + " }"


async def shown(guest: Stay, colour: str, rhythm: str) -> dict[str, Any]:
    """Wait until the light shows this; return everything that is shown."""
    wanted = {"colour": colour, "rhythm": rhythm}
    shows: dict[str, Any] = {}
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        shows = (await guest.bench.state())["evses"]["1"]["shows"]
        if shows["light"] == wanted:
            return shows
        await asyncio.sleep(0.2)
    raise AssertionError(f"not {wanted}; last: {shows}")


async def test_the_button_starts_and_stops_and_the_light_tells_it_even_without_the_agent() -> None:
    chosen = options(evse_extra=PEOPLE, extra={"authorization": "required = false"})
    async with stay(chosen) as guest:
        house = guest.house
        await house.stop_station()
        text = house.station_file.read_text(encoding="utf-8")
        house.station_file.write_text(
            text.replace('led = { line = "evse1.led" }', f"led = {COLOURS}"), encoding="utf-8"
        )
        await house.start_station()
        await guest.online()
        await shown(guest, "green", "pulse")
        await guest.plug()
        await guest.plugged()
        since_s = time.monotonic()
        await house.bench.button()
        closed_s = await house.bench.wait("evse1.load", "==", True, since_s=since_s, timeout_s=PATIENCE_S)
        assert (await shown(guest, "blue", "on"))["buzzer"]["heard"].endswith("short short")
        await house.bench.button()
        await house.bench.wait("evse1.load", "==", False, since_s=closed_s, timeout_s=PATIENCE_S)
        await house.kill("agent", restart=False)
        await shown(guest, "red", "double")
