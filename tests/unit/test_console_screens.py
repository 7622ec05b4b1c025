"""The screens of the command line, from answers as the agent gives them."""

from __future__ import annotations

from typing import Any

import pytest

from agent.console.screens import queue_screen, status_screen, why_screen
from agent.model.evse import amperes


def evse(**changes: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "occupancy": "free",
        "operative": True,
        "pilot": "A",
        "plugged": False,
        "contactor": "open",
        "lock": "none",
        "offer_a": None,
        "permit_a": None,
        "energy_wh": None,
        "power_w": None,
        "current_a": [None, None, None],
        "reading_age_s": None,
        "transaction": None,
        "csms_id": None,
        "token": None,
        "session_wh": None,
        "charging_state": "idle",
        "why": "no charging: nobody is authorised",
        "faults": [],
        **changes,
    }


def status(*evses: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "station": {
            "id": "S-1",
            "vendor": "V",
            "model": "M",
            "version": "1.2.3",
            "uptime_s": 93784.0,
            "utc": None,
            "time_quality": "unknown",
            "settings": "file",
            "problems": [],
        },
        "csms": {"url": "wss://x/", "version": "1.6", "state": "accepted", "online": True, "since_s": 5.4, "error": ""},
        "guard": {"connected": True, "error": "", "refusals": []},
        "store": {"ok": True, "waiting": 0, "dead": 0, "error": "", "recovered": ""},
        "faults": [],
        "evses": list(evses),
        "variables": [],
    }
    for name, fields in changes.items():
        told[name] = {**told[name], **fields}
    return told


def test_what_is_unknown_is_called_unknown_and_never_zero() -> None:
    text = status_screen(status(evse()))
    assert "time    unknown (unknown)" in text
    assert "meter     no reading" in text
    assert "offer none" in text
    half = status_screen(status(evse(reading_age_s=2.0, energy_wh=5.0, current_a=[1.0, None, None])))
    assert "5 Wh  unknown W  1.0/-/- A  (2.0 s old)" in half


def test_long_times_are_told_in_two_units() -> None:
    assert "up 1 d 2 h" in status_screen(status())
    assert "accepted for 5 s" in status_screen(status())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"guard": {"connected": False, "error": "no such file"}}, "NOT CONNECTED"),
        ({"store": {"ok": False, "waiting": None, "dead": None}}, "STORE FAILING: new sessions are refused"),
        ({"csms": {"state": "waiting", "error": "refused"}}, "OFFLINE (dials again soon) for 5 s"),
        ({"csms": {"state": "connecting", "error": "refused"}}, "last error: refused"),
        ({"station": {"settings": "last_good", "problems": ["f:1: a.b is unknown"]}}, "f:1: a.b is unknown"),
    ],
)
def test_what_is_wrong_stands_out(changes: dict[str, Any], words: str) -> None:
    assert words in status_screen(status(evse(), **changes))


def test_a_reserved_evse_says_so() -> None:
    assert "EVSE 1  free  RESERVED" in status_screen(status(evse(reserved=True)))


def test_an_evse_tells_its_temperatures_and_the_self_test_of_its_sensor() -> None:
    told = {"temperature_c": [41.26, None], "rcd_test": "failed", "rcd_test_age_s": 75.0, "rcd_test_why": "no release"}
    text = status_screen(status(evse(protection=told)))
    assert "  sensors   41.3 degC   unknown degC   RCD test failed 1 min 15 s ago (no release)" in text
    nothing = {"temperature_c": [], "rcd_test": "none", "rcd_test_age_s": None, "rcd_test_why": ""}
    assert "sensors" not in status_screen(status(evse(protection=nothing)))
    assert "sensors" not in status_screen(status(evse(protection=None)))


def test_an_evse_tells_its_session_its_fault_and_that_it_is_out_of_service() -> None:
    text = status_screen(
        status(evse(operative=False, transaction="t1", csms_id="7", token="id:0a", session_wh=12.4, faults=["rcd"]))
    )
    assert "OUT OF SERVICE (set by the CSMS)" in text
    assert "12 Wh for id:0a  (transaction t1, CSMS calls it 7)" in text
    assert "FAULT     rcd" in text


@pytest.mark.parametrize(("checksums", "shown"), [(0, False), (1, False), (3, True)])
def test_a_meter_with_a_bad_line_says_so(checksums: int, shown: bool) -> None:
    counters = {"requests": 100, "timeouts": 0, "checksums": checksums, "short": 0, "foreign": 0}
    rows = [{"evse": 1, "counters": counters}, {"evse": 2, "counters": None}]
    told = status_screen(status(evse()) | {"meters": rows})
    assert ("line      3 of 100 requests without a right answer: charge-agent meter doctor --evse 1" in told) is shown


def test_a_current_is_told_as_people_read_it() -> None:
    assert [amperes(each) for each in (15.9996, 16.0, 10.6667, 6.05)] == ["16 A", "16 A", "10.7 A", "6 A"]


def test_why_names_every_limit_with_its_source_in_columns() -> None:
    limits = [
        {"source": "fault", "current_a": None, "text": "rcd_tripped"},
        {"source": "station", "current_a": 15.9996, "text": "share"},
    ]
    told = {
        "evses": [{"id": 2, "summary": "no charging: rcd_tripped", "limits": limits}],
        "variables": [{"name": "A.B", "value": "1", "source": "csms"}, {"name": "C", "value": "2", "source": "file"}],
    }
    assert why_screen(told).splitlines() == [
        "EVSE 2: no charging: rcd_tripped",
        "  fault    no charging  rcd_tripped",
        "  station  16 A         share",
        "",
        "Settings that differ from their default:",
        "  A.B  1  (from the CSMS)",
        "  C    2  (from the station file)",
    ]


def test_a_queue_says_where_it_was_read_and_lines_up_its_columns() -> None:
    row = {
        "seq": 7, "kind": "ended", "transaction": "t1", "age_s": None, "attempts": 3, "state": "dead",
        "last_error": "InternalError",
    }  # fmt: skip
    told = {"source": "copy", "waiting": 0, "dead": 1, "rows": [row, {**row, "seq": 12, "age_s": 61.0}]}
    assert queue_screen(told).splitlines() == [
        "0 facts waiting, 1 given up  (no agent runs: read from a copy of its journal)",
        "seq  what   transaction  age        attempts  state  last error",
        "7    ended  t1           unknown    3         dead   InternalError",
        "12   ended  t1           1 min 1 s  3         dead   InternalError",
    ]
    assert queue_screen({"source": "agent", "waiting": 0, "dead": 0, "rows": []}) == "0 facts waiting, 0 given up"


def test_how_full_the_vehicle_is_stands_where_a_part_knows_it() -> None:
    assert "  vehicle   57.5 % charged  (3.2 s old)" in status_screen(status(evse(soc_pct=57.5, soc_age_s=3.2)))
    assert "vehicle" not in status_screen(status(evse(soc_pct=None, soc_age_s=None)))
