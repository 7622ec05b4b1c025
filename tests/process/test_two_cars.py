"""Two cars on two EVSEs with one reader and one bus: each card finds its EVSE, each transaction is exact."""

from __future__ import annotations

import pytest

from tests.process.charges import (
    CARD,
    OTHER_CARD,
    PATIENT_S,
    VERSIONS,
    Houses,
    assert_exact,
    begin_charge,
    book_of,
    count_on,
    house_options,
    stop_charge,
    tap,
    wait_registered,
)


@pytest.mark.parametrize("ocpp", VERSIONS)
async def test_two_cars_at_once_are_each_billed_exactly_what_their_own_meter_counted(houses: Houses, ocpp: str) -> None:
    house = await houses(house_options(ocpp, evses=2))
    await house.bench.car(evse=2, max_current_a=10, phases=1)
    await begin_charge(house, evse=1, card=CARD)
    await begin_charge(house, evse=2, card=OTHER_CARD, wh=1.0)
    both = await house.csms.ask("wait", open=2, timeout_s=PATIENT_S)
    assert {(row["evse_id"], row["id_token"]) for row in both["transactions"]} == {(1, CARD), (2, OTHER_CARD)}

    await stop_charge(house, evse=1, card=CARD)
    assert (await house.bench.state())["evses"]["2"]["load"]
    await count_on(house, 1.0, evse=2)
    await stop_charge(house, evse=2, card=OTHER_CARD)
    (first,) = await assert_exact(house, closed=1, evse=1, of_all=2)
    (second,) = await assert_exact(house, closed=1, evse=2, of_all=2)
    assert (first["id_token"], second["id_token"]) == (CARD, OTHER_CARD)
    assert first["stop_received_s"] < second["stop_received_s"]


async def test_a_card_tapped_first_starts_where_the_next_cable_comes_and_stops_nobody_else(houses: Houses) -> None:
    house = await houses(house_options(evses=2))
    await wait_registered(house)
    await tap(house, card=OTHER_CARD)
    await house.csms.wait("Authorize", timeout_s=PATIENT_S)
    await house.bench.plug(evse=2)
    await house.bench.wait("evse2.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await house.bench.plug(evse=1)
    await tap(house, card=CARD)
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 1.0, evse=1)

    await house.bench.unplug(evse=2)
    await house.bench.wait("evse2.load", "==", False, timeout_s=PATIENT_S)
    assert (await house.bench.state())["evses"]["1"]["load"]
    await stop_charge(house, evse=1, card=CARD)
    book = await book_of(house, closed=2)
    assert {(row["evse_id"], row["stop_reason"]) for row in book["transactions"]} == {
        (1, "Local"),
        (2, "EVDisconnected"),
    }
    await assert_exact(house, closed=1, evse=1, of_all=2)
    await assert_exact(house, closed=1, evse=2, of_all=2)


async def test_a_killed_agent_and_a_killed_guard_keep_two_transactions_apart(houses: Houses) -> None:
    house = await houses(house_options(evses=2))
    await begin_charge(house, evse=1, card=CARD)
    await begin_charge(house, evse=2, card=OTHER_CARD)
    await house.kill("agent")
    await house.kill("guard")
    for evse in (1, 2):
        await house.bench.wait(f"evse{evse}.load", "==", False, timeout_s=PATIENT_S)
    for evse in (1, 2):
        await house.bench.wait(f"evse{evse}.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await stop_charge(house, evse=2, card=OTHER_CARD)
    await stop_charge(house, evse=1, card=CARD)
    await assert_exact(house, closed=1, evse=1, of_all=2)
    await assert_exact(house, closed=1, evse=2, of_all=2)
