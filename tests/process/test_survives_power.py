"""A power cut is a changed boot id: open until all is permitted again, one honest last register, nothing lost."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hil.house import House
from tests.process.charges import (
    OTHER_CARD,
    PATIENT_S,
    VERSIONS,
    Houses,
    assert_exact,
    begin_charge,
    book_of,
    count_on,
    energisings_of,
    house_options,
    load_changes,
    status_json,
    stop_charge,
    tap,
    wait_registered,
)


async def cut_power(house: House) -> float:
    """Cut the power for half a second; return when it went."""
    before = await house.bench.boot_id()
    await house.power_cut()
    assert await house.bench.boot_id() != before
    return await house.bench.wait("evse1.load", "==", False)


def last_durable_wh(row: dict[str, Any]) -> float:
    """Return the register of the last sample that was taken before the end."""
    return float([each["register_wh"] for each in row["samples"] if each["context"] == "Sample.Periodic"][-1])


@pytest.mark.req("OCPP 1.6 §4.10, PowerLoss")
@pytest.mark.parametrize("ocpp", VERSIONS)
@pytest.mark.octt("TC_032_2_CS")
async def test_a_power_cut_ends_the_transaction_with_the_register_found_afterwards(houses: Houses, ocpp: str) -> None:
    house = await houses(house_options(ocpp))
    await begin_charge(house)
    cut_s = await cut_power(house)
    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] == "PowerLoss"
    assert row["stop_id_token"] is None
    assert await load_changes(house, cut_s) == [False]  # and stays open: nobody permits anything

    await tap(house, card=OTHER_CARD)
    closed_s = await house.bench.wait("evse1.load", "==", True, timeout_s=PATIENT_S)
    assert closed_s > row["stop_received_s"]
    await count_on(house, 2.0)
    await stop_charge(house, card=OTHER_CARD)
    await assert_exact(house, closed=2)


@pytest.mark.req("OCPP 1.6 §4.10, PowerLoss")
@pytest.mark.parametrize("ocpp", VERSIONS)
async def test_a_power_cut_is_survived_by_the_transaction_where_it_is_to_resume(houses: Houses, ocpp: str) -> None:
    house = await houses(house_options(ocpp, extra={"charging": 'on_power_loss = "resume"\n'}))
    await begin_charge(house)
    cut_s = await cut_power(house)
    await house.child("agent").says("transaction.resumed", timeout_s=PATIENT_S)
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 2.0)
    await stop_charge(house)
    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] in (None, "Local")
    assert await load_changes(house, cut_s) == [False, True, False]
    assert len(await energisings_of(house)) == 2


async def test_a_register_that_cannot_be_trusted_after_the_cut_leaves_the_last_durable_one_and_the_gap_is_told(
    houses: Houses,
) -> None:
    house = await houses(house_options(evses=2))
    await begin_charge(house, evse=1)
    await begin_charge(house, evse=2, card=OTHER_CARD, wh=6.0)
    await house.power_off()
    for evse in (1, 2):  # the contactors' springs take their time, and the register at the opening is what counts
        await house.bench.wait(f"evse{evse}.load", "==", False, timeout_s=PATIENT_S)
    await house.bench.meter(evse=1, mode="zeroed")
    await house.bench.meter(evse=2, mode="silent")
    await house.power_on()

    book = await book_of(house, closed=2)
    assert book["problems"] == []
    for row in book["transactions"]:
        assert row["stop_reason"] == "PowerLoss"
        assert row["stop_wh"] == last_durable_wh(row)
        energisings = await energisings_of(house, row["evse_id"])
        assert 0 <= energisings[-1]["opened_wh"] - row["stop_wh"] <= 8  # what flowed after the last sample
    log = house.child("agent").log_text()
    assert log.count("the register is the last durable one") == 2
    assert "register of 0 Wh cannot follow" in log
    assert "unit 2" in log
    assert not any(value for _, _, value in await house.bench.trace("evse?.load", since_s=-5.0))


@pytest.mark.req("OCPP-J 1.6 errata 3.1")
async def test_a_power_cut_while_offline_loses_nothing_and_everything_comes_in_order_exactly_once(
    houses: Houses,
) -> None:
    house = await houses(house_options(variables={"AuthCtrlr.LocalAuthorizeOffline": "true"}))
    await begin_charge(house)
    await count_on(house, 1.0)
    await house.bench.net(mode="down")
    await count_on(house, 6.0)
    await cut_power(house)
    await house.child("agent").says("transaction.ended", timeout_s=PATIENT_S)
    waiting = (await status_json(house, "queue"))["waiting"]
    assert waiting >= 2
    await house.bench.net(mode="up")

    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] == "PowerLoss"
    registers = [each["register_wh"] for each in row["samples"]]
    assert registers == sorted(registers)
    times = [each["at_utc"] for each in row["samples"]]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert (await status_json(house, "queue"))["waiting"] == 0


async def test_a_power_cut_between_tap_and_plug_asks_for_a_new_tap(houses: Houses) -> None:
    house = await houses(house_options())
    await wait_registered(house)
    await tap(house)
    await house.csms.wait("Authorize", timeout_s=PATIENT_S)
    await house.power_cut()
    seq = await house.csms.last_seq()
    await house.bench.plug(evse=1)
    await house.csms.wait("StatusNotification", since=seq, where={"status": "Preparing"}, timeout_s=PATIENT_S)
    await tap(house)
    await house.bench.wait("evse1.current_a", ">", 1.0, timeout_s=PATIENT_S)
    await count_on(house, 2.0)
    await stop_charge(house)
    await assert_exact(house, closed=1)


async def test_two_power_cuts_in_a_row_end_the_transaction_once(houses: Houses) -> None:
    house = await houses(house_options())
    await begin_charge(house)
    await house.power_cut()
    await house.child("agent").says("transaction.restored", timeout_s=PATIENT_S)
    await house.power_cut()
    (row,) = await assert_exact(house, closed=1)
    assert row["stop_reason"] == "PowerLoss"
