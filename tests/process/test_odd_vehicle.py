"""A simplified vehicle on a station with a second contactor, through every process."""

from __future__ import annotations

import json

import pytest

from tests.process.houses import options, stay

SECOND = """\
phase_switching = true
phase_contactor = {{ line = "evse{id}.phase_contactor" }}
phase_mirror = {{ line = "evse{id}.phase_mirror", kind = "nc" }}
"""


@pytest.mark.req("IEC 61851-1:2017 Annex A.2.3")
async def test_a_simplified_vehicle_charges_with_ten_amperes_on_three_phases_and_its_wear_is_kept() -> None:
    async with stay(options(evse_extra=SECOND, bench=["--second-contactor"])) as guest:
        bench = guest.house.bench
        await guest.ready()
        await bench.misbehave(what="simplified")
        await guest.begin()
        await bench.wait("evse1.current_l3_a", ">=", 10.0)
        await guest.until(lambda status: status["evses"][0]["simplified"])
        (evse,) = (await guest.status())["evses"]
        assert evse["phases"] == 3
        assert evse["offer_a"] == pytest.approx(10.0, abs=0.001)
        assert evse["why"] == "at most 10 A: simplified vehicle, which cannot be told the current: 10 A"
        moved = [signal for _, signal, value in await bench.trace("evse1.phase_coil", "evse1.coil") if value]
        assert moved == ["evse1.phase_coil", "evse1.coil"], "the second contactor closes first"
        await guest.end()
        file = guest.house.directory / "state" / "guard-wear.json"
        await guest.until(lambda _: file.exists())
        kept = json.loads(file.read_text("utf-8"))["evses"]["1"]
        assert (kept["main"]["closings"], kept["phases"]["closings"]) == (1, 1)
        assert kept["main"]["openings_under_load"] == 1, "it cannot see that it should stop"
