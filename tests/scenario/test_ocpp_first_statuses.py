"""The first statuses after a start tell what the guard sees now, not what the store remembers of a cable."""

from __future__ import annotations

import pytest

from agent.model.evse import Occupancy
from agent.ocpp.status_board import FIRST_WORD_S
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.conformance.octt.whole_station import bench
from tests.scenario.ocpp_desk import VERSIONS, Desk, view
from tests.scenario.ocpp_facts import started

YESTERDAY = view(1, Occupancy.FINISHING, plugged=None, awaited=True)


def booting(version: str) -> Desk:
    """A station is accepted before its guard spoke of EVSE 1; a fact waits."""
    desk = Desk(version=version)
    desk.show(YESTERDAY)
    desk.open()
    desk.record(started(desk.stamp()))
    desk.answer(desk.expect("BootNotification"), desk.registration())
    return desk


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.req("OCPP 1.6 §4.2, §4.9; OCPP 2.0.1 B01.FR.05: after the boot the present statuses, then the queue")
def test_a_first_status_waits_for_the_guards_word_and_the_queue_for_the_status(version: str) -> None:
    desk = booting(version)
    told = desk.answer_all("StatusNotification")
    assert all(each.get("evseId", each["connectorId"]) != 1 for each in told)
    desk.run(0.5)
    desk.show(view(1))
    told = desk.answer_all("StatusNotification")
    assert [each.get("connectorStatus", each.get("status")) for each in told] == ["Available"]
    assert desk.calls[-1].action in ("StartTransaction", "TransactionEvent")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_guard_that_says_nothing_holds_no_status_back_for_long(version: str) -> None:
    desk = booting(version)
    desk.answer_all("StatusNotification")
    desk.run(FIRST_WORD_S - 0.1)
    assert not [each for each in desk.calls if each.action in ("StartTransaction", "TransactionEvent")]
    desk.run(0.2)
    assert len(desk.answer_all("StatusNotification")) == 1
    assert desk.calls[-1].action in ("StartTransaction", "TransactionEvent")


@pytest.mark.req("OCPP 1.6 §5.14, §4.9: a cable that left is not finishing after a reset")
def test_after_a_reset_a_connector_that_was_left_is_available_at_once() -> None:
    async def play() -> None:
        async with bench() as station:
            csms = station.csms
            await station.booted()
            await station.charging()
            await station.tap()
            await csms.expect("StopTransaction")
            await station.unplug()
            await csms.status(1, "Available")
            csms.forget()
            await csms.accepted("Reset", type="Soft")
            await csms.expect("BootNotification")
            assert (await csms.frame("StatusNotification", connectorId=1)).payload["status"] == "Available"

    in_virtual_time(play())


@pytest.mark.req("OCPP 1.6 §4.2, §4.9: a vehicle that stays over a power cut is Preparing, and was never Available")
def test_after_a_power_cut_a_vehicle_that_is_still_here_is_told_at_once() -> None:
    async def play() -> None:
        async with bench() as station:
            csms = station.csms
            await station.booted()
            await station.plug()
            await csms.status(1, "Preparing")
            csms.forget()
            await station.power_cut()
            await csms.expect("BootNotification")
            assert (await csms.frame("StatusNotification", connectorId=1)).payload["status"] == "Preparing"

    in_virtual_time(play())
