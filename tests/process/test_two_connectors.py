"""An EVSE with a fixed cable and a socket as real processes: both charge, one at a time, and the book is exact."""

from __future__ import annotations

import dataclasses

from agent.console.screens import status_screen, why_screen
from tests.process.charges import (
    CARD,
    OTHER_CARD,
    PATIENT_S,
    Houses,
    book_of,
    count_on,
    house_options,
    status_json,
    statuses,
    stop_charge,
    tap,
    wait_registered,
)


async def test_two_connectors_of_one_evse_charge_one_after_the_other_and_are_shown(houses: Houses) -> None:
    options = house_options()
    station = dataclasses.replace(options.station, connectors=2, fixed_cables=(1,))
    house = await houses(dataclasses.replace(options, station=station))
    bench = house.bench
    await wait_registered(house)
    await bench.plug(evse=1, connector=1)
    await tap(house, card=CARD)
    await bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    await bench.plug(evse=1, connector=2)
    await bench.wait("evse1c2.pilot_v", "<", 10.0, timeout_s=PATIENT_S, since_s=0.0)
    await count_on(house, 2.0)
    shown = await status_json(house)
    assert [(each["id"], each["used"], each["waits"]) for each in shown["evses"][0]["connectors"]] == [
        (1, True, False),
        (2, False, True),
    ]
    assert "connector 2  pilot B   contactor open   lock unlocked" in status_screen(shown)
    assert "WAITS ITS TURN" in status_screen(shown)
    why = why_screen(await status_json(house, "why"))
    assert why.startswith("EVSE 1, connector 1: ")
    assert "EVSE 1, connector 2: no charging: it waits for the other one" in why
    assert (await bench.state())["evses"]["1"]["connectors"]["2"]["load"] is False

    await stop_charge(house, card=CARD)
    await house.csms.ask("wait", closed=1, open=0, timeout_s=PATIENT_S)
    await tap(house, card=OTHER_CARD)
    await bench.wait("evse1c2.load", "==", True, timeout_s=PATIENT_S, since_s=0.0)
    await bench.unplug(evse=1, connector=1)
    await count_on(house, 2.0)
    await tap(house, card=OTHER_CARD)
    await bench.wait("evse1c2.load", "==", False, timeout_s=PATIENT_S)
    book = await book_of(house, closed=2)
    state = (await bench.state())["evses"]["1"]
    (first,), (second,) = state["energisings"], state["connectors"]["2"]["energisings"]
    billed = [(row["connector_id"], row["start_wh"], row["stop_wh"]) for row in book["transactions"]]
    assert billed == [(1, first["closed_wh"], first["opened_wh"]), (2, second["closed_wh"], second["opened_wh"])]
    assert first["opened_s"] < second["closed_s"]
    assert book["problems"] == []
    assert ("Unavailable", "NoError") in await statuses(house, connector=2)
