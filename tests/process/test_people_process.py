"""Light, buzzer and button of a whole station on the bench: pressed, seen and heard from the world's side."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from hil.client import BenchError
from tests.process.houses import PATIENCE_S, Stay, options, stay

pytestmark = pytest.mark.process
STEADY_S = 2.6  # without a change for so long, no rhythm blinks
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
        state = (await guest.bench.state())["evses"]["1"]
        shows = state["shows"]
        if shows["light"] == wanted:
            return shows
        with contextlib.suppress(BenchError):  # a light that does not blink changes no more
            await guest.bench.wait("evse1.light", "!=", state["light"], since_s=time.monotonic(), timeout_s=STEADY_S)
    raise AssertionError(f"not {wanted}; last: {shows}")


async def test_the_button_starts_and_stops_and_the_light_tells_it_even_without_the_agent() -> None:
    chosen = options(evse_extra=PEOPLE, extra={"authorization": "required = false"}, variables={"BlinkRepeat": "2"})
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
        signalled = [value for _, _, value in await house.bench.trace("evse1.light", since_s=since_s)]
        assert signalled.count("green") >= 2, "BlinkRepeat: the press was accepted"
        assert (await shown(guest, "blue", "on"))["buzzer"]["heard"].endswith("short short")
        await house.bench.button()
        await house.bench.wait("evse1.load", "==", False, since_s=closed_s, timeout_s=PATIENCE_S)
        await house.kill("agent", restart=False)
        await shown(guest, "red", "double")
