"""The logs of a whole charge: no card number in clear anywhere, and a lasting condition said once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.process.houses import CARD, STRANGER, options, stay
from tests.process.test_command_line import shown


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
async def test_no_card_is_ever_shown_in_clear(ocpp: str) -> None:
    chosen = options(ocpp, extra={"log": 'level = "debug"\n'})
    async with stay(chosen) as guest:
        house = guest.house
        await guest.online()
        await guest.csms.ask("script", tokens={STRANGER: "Invalid"})
        await guest.tap(STRANGER)
        await guest.begin()
        said = [await shown(house, word) for word in ("status", "why", "queue")]
        said += [await shown(house, word, "--json") for word in ("status", "why", "queue")]
        await guest.cut_off()
        await guest.end()
        await guest.until(lambda status: status["store"]["waiting"] > 0)
        said += [await shown(house, "queue"), await shown(house, "queue", "--json")]
        await house.kill("agent", restart=False)
        said += [await shown(house, "queue"), await shown(house, "queue", "--json")]
        said += [(house.directory / f"{role}.log").read_text() for role in ("agent", "guard")]
        assert any('"card.presented"' in text for text in said)
        for card in (CARD, STRANGER):
            assert not [text for text in said if card.casefold() in text.casefold()]


async def test_a_meter_that_stays_silent_is_told_once_and_once_more_when_it_is_back() -> None:
    async with stay(options(extra={"charging": "meter_stale_s = 3\n"})) as guest:
        await guest.online()
        await guest.bench.meter(evse=1, mode="silent")
        await guest.until(lambda status: any("meter_silent" in text for text in status["evses"][0]["faults"]))
        await guest.until(lambda status: status["evses"][0]["reading_age_s"] > 8)
        await guest.bench.meter(evse=1, mode="ok")
        await guest.until(lambda status: status["evses"][0]["faults"] == [])
        told = Counter(
            each["event"] for each in lines_of(guest.house.directory / "agent.log") if "meter" in json.dumps(each)
        )
        assert told, "it is said"
        assert set(told.values()) == {1}, told
