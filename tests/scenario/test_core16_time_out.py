"""ConnectionTimeOut: an authorization that nothing uses ends with it, whenever and however it was given."""

from __future__ import annotations

import pytest

from agent.model.station import EvseLayout
from tests.scenario.charging_world import ALICE
from tests.scenario.core16 import Core16, layout

TIME_OUT_S = 20


def world() -> Core16:
    return Core16(ConnectionTimeOut=TIME_OUT_S)


@pytest.mark.req("OCPP 1.6 §4.9 B1, §9.1.6")
def test_a_card_after_the_time_out_begins_a_new_one_of_the_same_length() -> None:
    station = world()
    for _ in range(3):
        station.tap()
        station.run(TIME_OUT_S - 2)
        assert station.status()["status"] == "Preparing"
        station.run(3)
        assert station.status()["status"] == "Available"
    station.plug()
    station.run(5)
    assert not station.messages("StartTransaction"), "nobody is authorised any more"
    assert station.seen_statuses[1] == ["Available", *["Preparing", "Available"] * 3, "Preparing"]


@pytest.mark.req("OCPP 1.6 §4.9 B6, §9.1.6")
def test_a_card_shown_at_a_cable_that_lapsed_is_for_a_replug_within_the_time_out() -> None:
    station = world()
    station.plug()
    station.run(TIME_OUT_S + 1)
    assert station.status()["status"] == "Finishing"
    station.tap()
    station.run(TIME_OUT_S - 5)
    station.unplug()
    station.run(1)
    station.plug()
    station.until(station.closed)
    assert len(station.messages("StartTransaction")) == 1


@pytest.mark.req("OCPP 1.6 §4.9 B6, §9.1.6")
def test_a_card_shown_at_a_cable_that_lapsed_is_forgotten_after_the_time_out() -> None:
    station = world()
    station.plug()
    station.run(TIME_OUT_S + 1)
    station.tap()
    station.run(TIME_OUT_S + 2)
    assert station.notices("authorization.forgotten")
    station.unplug()
    station.run(1)
    assert station.status()["status"] == "Available"
    station.plug()
    station.run(10)
    assert not station.messages("StartTransaction")
    assert station.status()["status"] == "Preparing"


@pytest.mark.req("OCPP 1.6 §9.1.6")
def test_a_card_for_any_of_several_connectors_is_forgotten_too() -> None:
    station = Core16(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)), ConnectionTimeOut=TIME_OUT_S)
    station.tap(ALICE)
    station.run(TIME_OUT_S + 1)
    assert station.notices("authorization.forgotten")
    station.plug(2)
    station.run(10)
    assert not station.messages("StartTransaction")


@pytest.mark.req("OCPP 1.6 §9.1.6")
def test_a_time_out_that_the_csms_shortens_holds_for_a_card_that_waits() -> None:
    station = world()
    station.tap()
    station.run(5)
    station.ask("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "8"})
    station.run(4)
    assert station.status()["status"] == "Available"
