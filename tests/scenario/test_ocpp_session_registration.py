"""Boot, pending, rejected, reconnect, heartbeat and time, in both versions."""

from __future__ import annotations

import pytest

from agent.model.inputs import LinkChanged
from agent.ocpp.registration import Standing
from agent.ocpp.session_outputs import ClockHeard, Drop, Registered
from tests.scenario.ocpp_desk import VERSIONS, Desk, view

pytestmark = pytest.mark.parametrize("version", VERSIONS)


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B01.FR.03, B01.FR.05")
def test_after_power_up_boot_comes_first_then_the_statuses_then_facts(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    boot = desk.expect("BootNotification")
    assert not desk.heard(LinkChanged)
    desk.answer(boot, desk.registration())
    said = desk.answer_all("StatusNotification")
    if version == "1.6":
        assert [each["connectorId"] for each in said] == [0, 1, 2]
    else:
        assert [(each["evseId"], each["connectorId"]) for each in said] == [(1, 1), (2, 1)]
        assert boot.payload["reason"] == "PowerUp"
    assert desk.heard(LinkChanged) == [LinkChanged(online=True)]
    assert desk.out(Registered) == [Registered(status="accepted", interval_s=300.0)]
    assert desk.out(ClockHeard) == [ClockHeard(utc_s=1_795_176_000.0)]


@pytest.mark.req("OCPP 1.6 §4.9")
@pytest.mark.req("OCPP-J 1.6 §5.4; OCPP 2.0.1 part 4 §5.3")
def test_a_mere_reconnect_boots_not_again_and_tells_only_what_changed(version: str) -> None:
    desk = Desk(version=version)
    desk.boot()
    desk.lose()
    desk.show(view(2, plugged=True, operative=False))
    desk.run(30)
    desk.open()
    said = desk.answer_all("StatusNotification")
    assert len(said) == 1
    assert said[0].get("status", said[0].get("connectorStatus")) == "Unavailable"
    assert desk.heard(LinkChanged)[-1] == LinkChanged(online=True)


@pytest.mark.req("OCPP 1.6 §4.9; OCPP 2.0.1 B04")
def test_after_a_long_outage_the_version_decides_whether_everything_is_told_again(version: str) -> None:
    desk = Desk(version=version)
    desk.boot()
    desk.lose()
    desk.run(61)
    desk.open()
    assert len(desk.answer_all("StatusNotification")) == (0 if version == "1.6" else 2)


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B02.FR.04")
@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_the_next_boot_comes_exactly_after_the_interval(version: str, status: str) -> None:
    desk = Desk(version=version)
    desk.boot(status, 90)
    assert desk.out(Registered)[-1].interval_s == 90
    desk.run(89)
    assert not desk.calls
    desk.run(1)
    desk.answer(desk.expect("BootNotification"), desk.registration())
    assert desk.session.online


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B02.FR.08")
@pytest.mark.parametrize("interval", [0, -5, None])
def test_without_a_usable_interval_our_own_wait_grows_and_stays_bounded(version: str, interval: int | None) -> None:
    desk = Desk(version=version)
    desk.open()
    waits = []
    for _ in range(8):
        began_s = desk.now_s
        desk.answer(desk.expect("BootNotification"), desk.registration("Rejected") | {"interval": interval})
        while not desk.calls:
            desk.run(10)
        waits.append(desk.now_s - began_s)
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B03")
def test_a_wait_outlasts_a_reconnect(version: str) -> None:
    desk = Desk(version=version)
    desk.boot("Pending", 100)
    desk.run(50)
    desk.lose()
    desk.open()
    assert not desk.calls
    desk.run(50)
    desk.expect("BootNotification")


@pytest.mark.req("OCPP 1.6 §4.2; OCPP 2.0.1 B03.FR.02, B03.FR.08")
def test_while_rejected_nothing_is_sent_and_requests_are_refused_in_the_versions_way(version: str) -> None:
    desk = Desk(version=version)
    desk.boot("Rejected", 300)
    desk.show(view(1, plugged=True))
    desk.ask("ClearCache", {})
    assert not desk.calls
    if version == "1.6":
        assert not desk.answers
    else:
        assert desk.last_error() == "SecurityError"


@pytest.mark.req("quirk T5")
@pytest.mark.req("OCPP 1.6 §4.2, TC_002; OCPP 2.0.1 B02")
def test_while_pending_requests_are_served_but_nothing_is_started(version: str) -> None:
    desk = Desk(version=version)
    desk.boot("Pending", 300)
    if version == "1.6":
        desk.ask("RemoteStartTransaction", {"idTag": "A"})
    else:
        token = {"idToken": "A", "type": "Central"}
        desk.ask("RequestStartTransaction", {"idToken": token, "remoteStartId": 1})
    assert desk.last_answer()["status"] == "Rejected"
    desk.ask("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert desk.last_answer()["status"] == "Accepted"
    desk.answer(desk.expect("Heartbeat"), {"currentTime": "2026-11-20T12:00:00Z"})
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert desk.last_answer()["status"] == "Accepted"
    desk.answer(desk.expect("BootNotification"), desk.registration())
    assert desk.session.standing is Standing.ACCEPTED


@pytest.mark.req("OCPP 1.6 §5.17, errata 3.35; OCPP 2.0.1 F06.FR.17")
def test_a_triggered_boot_is_refused_while_accepted(version: str) -> None:
    desk = Desk(version=version)
    desk.boot()
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert desk.last_answer()["status"] == "Rejected"
    assert not desk.calls


@pytest.mark.req("OCPP 1.6 errata 3.35, 3.40")
@pytest.mark.req("OCPP 1.6 errata 3.40; OCPP 2.0.1 F06.FR.17")
def test_a_triggered_boot_after_a_reconnect_is_granted_where_the_version_allows_it(version: str) -> None:
    desk = Desk(version=version)
    desk.boot()
    desk.lose()
    desk.open()
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    if version == "1.6":
        assert desk.last_answer()["status"] == "Accepted"
        desk.answer(desk.expect("BootNotification"), desk.registration())
        assert len(desk.answer_all("StatusNotification")) == 3
        assert desk.heard(LinkChanged)[-1] == LinkChanged(online=True)
    else:
        assert desk.last_answer()["status"] == "Rejected"


def test_a_boot_that_is_answered_with_an_error_is_tried_again_after_our_own_wait(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    desk.refuse(desk.expect("BootNotification"))
    desk.run(29)
    assert not desk.calls
    desk.run(1)
    desk.answer(desk.expect("BootNotification"), {"status": "Perhaps"})
    desk.run(60)
    desk.expect("BootNotification")


@pytest.mark.req("quirk T28")
def test_a_boot_without_an_answer_ends_the_connection_and_comes_first_on_the_next(version: str) -> None:
    desk = Desk(version=version)
    desk.open()
    desk.run(30)
    assert len(desk.out(Drop)) == 1
    desk.calls.clear()
    desk.close()
    desk.open()
    desk.expect("BootNotification")


@pytest.mark.req("quirk T21")
@pytest.mark.req("OCPP 1.6 §4.6; OCPP 2.0.1 G02")
def test_heartbeats_come_after_the_interval_without_other_messages(version: str) -> None:
    desk = Desk(version=version)
    desk.boot(interval=60)
    desk.run(59)
    desk.show(view(1, plugged=True, operative=False))
    desk.answer_all("StatusNotification")
    desk.run(59)
    assert not desk.calls
    desk.run(1)
    desk.answer(desk.expect("Heartbeat"), {"currentTime": "2026-11-20T12:10:00Z"})
    assert desk.out(ClockHeard)[-1].utc_s == 1_795_176_600.0
    desk.run(60)
    desk.expect("Heartbeat")


@pytest.mark.req("OCPP 1.6 §4.6")
def test_a_missing_interval_means_the_variable_and_a_changed_variable_counts_at_once(version: str) -> None:
    desk = Desk(version=version)
    desk.boot(interval=0)
    assert desk.out(Registered)[-1].interval_s == 300
    desk.set("OCPPCommCtrlr.HeartbeatInterval", "20")
    desk.run(20)
    desk.answer(desk.expect("Heartbeat"), {})
    desk.set("OCPPCommCtrlr.HeartbeatInterval", "0")
    desk.run(3_600)
    assert not desk.calls


@pytest.mark.req("OCPP 1.6 §4.6; OCPP 2.0.1 G02.FR.07")
def test_a_heartbeat_comes_at_least_daily_however_busy_the_link_is(version: str) -> None:
    desk = Desk(version=version)
    desk.boot(interval=86_400)
    for hour in range(24):
        assert not desk.calls
        desk.show(view(1, plugged=True, operative=bool(hour % 2)))
        desk.answer_all("StatusNotification")
        desk.run(3_600)
    desk.expect("Heartbeat")


def test_without_any_clock_heartbeats_ask_for_the_time_every_minute(version: str) -> None:
    desk = Desk(version=version, utc_known=False)
    desk.open()
    desk.answer(desk.expect("BootNotification"), {"status": "Accepted", "interval": 3600})
    said = desk.answer_all("StatusNotification")
    assert len(said) == (3 if version == "1.6" else 0)
    assert all("timestamp" not in each for each in said)
    desk.run(60)
    desk.answer(desk.expect("Heartbeat"), {"currentTime": "1970-01-01T00:00:09Z"})
    assert not desk.out(ClockHeard)
    desk.run(60)
    desk.answer(desk.expect("Heartbeat"), {"currentTime": "2026-11-20 12:00:00"})
    said = desk.answer_all("StatusNotification")
    assert len(said) == (0 if version == "1.6" else 2)
    assert desk.out(ClockHeard)[-1].utc_s == 1_795_176_000.0


def test_the_reason_of_a_restart_is_told_where_the_version_has_a_place_for_it(version: str) -> None:
    desk = Desk(version=version)
    desk.boot()
    desk.lose()
    desk.restart("remote_reset")
    desk.open()
    boot = desk.expect("BootNotification")
    assert boot.payload.get("reason") == (None if version == "1.6" else "RemoteReset")
