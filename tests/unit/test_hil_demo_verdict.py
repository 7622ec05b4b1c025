"""What a charge came to: the meter's watt-hours against the ledger's, and everything else that must hold."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from hil.demo_verdict import Evidence, judge
from hil.picture import draw_charge
from tests.unit.demo_records import recorded

ROW: dict[str, Any] = {
    "transaction_id": "1001", "started": True, "ended": True, "start_wh": 121_000, "stop_wh": 121_045,
    "energy_wh": 45, "stop_reason": "Local", "doubled": {}, "duplicates": {},
}  # fmt: skip
EVSE: dict[str, Any] = {
    "load": False,
    "coil": False,
    "energisings": [{"closed_s": 2.3, "closed_wh": 121_000, "opened_s": 17.8, "opened_wh": 121_045}],
}


def evidence(version: str = "v16", *, row: dict[str, Any] | None = None, **evse: Any) -> Evidence:
    trace, frames = recorded(version)
    ledger = {"transactions": [{**ROW, **(row or {})}], "problems": []}
    return Evidence(evse={**EVSE, **evse}, name="evse1", trace=trace, frames=frames, ledger=ledger, max_current_a=16.0)


@pytest.mark.parametrize("version", ["v16", "v201"])
def test_a_good_charge_compares_meter_and_ledger_and_has_no_faults(version: str) -> None:
    verdict = judge(evidence(version))
    assert verdict.faults == ()
    assert verdict.line.replace("\u202f", " ") == ("meter 45 Wh = ledger 45 Wh  (register 121 000 Wh → 121 045 Wh)")


def test_another_energy_in_the_ledger_is_a_fault_that_names_the_register() -> None:
    verdict = judge(evidence(row={"stop_wh": 121_046, "energy_wh": 46}))
    assert "meter 45 Wh ≠ ledger 46 Wh" in verdict.line
    assert [fault.replace("\u202f", " ") for fault in verdict.faults] == [
        "the ledger's stop is 121 046 Wh, expected the meter's register 121 045 Wh"
    ]


def test_the_same_energy_between_other_registers_is_a_fault_too() -> None:
    verdict = judge(evidence(row={"start_wh": 121_001, "stop_wh": 121_046}))
    assert len(verdict.faults) == 2


def test_an_empty_ledger_is_a_fault() -> None:
    seen = evidence()
    verdict = judge(replace(seen, ledger={"transactions": [], "problems": []}, frames=[]))
    assert "ledger unknown Wh" in verdict.line
    assert verdict.faults == (
        "the ledger holds 0 transactions, expected 1",
        "the CSMS was sent 0 starts, expected 1",
        "the CSMS was sent 0 stops, expected 1",
    )


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"ended": False}, "started True, ended False, expected both"),
        ({"doubled": {"StopTransaction": 1}}, "was sent again: {'StopTransaction': 1}, expected once"),
        ({"duplicates": {"StartTransaction": 2}}, "was sent again: {'StartTransaction': 2}, expected once"),
        ({"stop_reason": "EVDisconnected"}, "stopped for EVDisconnected, expected Local"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_what_was_expected(row: dict[str, Any], found: str) -> None:
    assert any(found in fault for fault in judge(evidence(row=row)).faults)


def test_a_problem_in_the_csms_book_is_a_fault() -> None:
    seen = evidence()
    problem = {"kind": "schema", "identity": "BENCH-1", "text": "'x' is no number", "transaction_id": None, "at_s": 1.0}
    verdict = judge(replace(seen, ledger={**seen.ledger, "problems": [problem]}))
    assert verdict.faults == ("the CSMS holds against the station: schema: 'x' is no number",)


def test_a_second_stop_on_the_wire_is_a_fault() -> None:
    seen = evidence()
    stop = next(each for each in seen.frames if each["action"] == "StopTransaction" and each["kind"] == "call")
    assert judge(replace(seen, frames=[*seen.frames, stop])).faults == ("the CSMS was sent 2 stops, expected 1",)


def test_a_contactor_that_is_still_closed_is_a_fault() -> None:
    assert judge(evidence(load=True)).faults == ("the contactor is closed after the charge, expected open",)


def test_a_contactor_that_closed_twice_is_a_fault() -> None:
    times = [EVSE["energisings"][0], {**EVSE["energisings"][0], "closed_wh": 121_045}]
    assert judge(evidence(energisings=times)).faults == ("the contactor closed 2 times, expected once",)


def test_no_energy_is_a_fault() -> None:
    flat = [{"closed_s": 2.3, "closed_wh": 121_000, "opened_s": 17.8, "opened_wh": 121_000}]
    verdict = judge(evidence(energisings=flat, row={"stop_wh": 121_000, "energy_wh": 0}))
    assert verdict.faults == ("the meter counted 0 Wh, expected more than nothing",)


def test_an_offer_above_the_stations_limit_is_a_fault() -> None:
    assert judge(replace(evidence(), max_current_a=13.0)).faults == (
        "the pilot offered 16 A, expected at most the station's 13 A",
    )


def test_a_car_has_five_seconds_to_follow_a_smaller_offer_and_no_more() -> None:
    def drew(after_s: float) -> tuple[str, ...]:
        trace = [
            (1.0, "evse1.offer_a", 16.0), (2.0, "evse1.current_a", 16.0), (3.0, "evse1.offer_a", 10.0),
            (3.0 + after_s, "evse1.current_a", 15.0),
        ]  # fmt: skip
        return judge(replace(evidence(), trace=trace)).faults

    assert drew(4.0) == ()
    assert drew(6.0) == ("the car drew 5 A more than was offered, expected no more than the offer",)


@pytest.mark.parametrize("version", ["v16", "v201"])
def test_the_picture_of_a_charge_is_well_formed_and_shows_every_message(version: str) -> None:
    trace, frames = recorded(version)
    picture = draw_charge(trace, frames, begin_s=0.0, title="A charge & more")
    root = ElementTree.fromstring(picture)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "A charge & more" in texts
    assert "Authorize" in texts
    assert any(str(text).startswith("meter, +45 Wh") for text in texts)
    calls = [each for each in frames if each["kind"] == "call" and each["at_s"] >= 0 and each["action"] != "Heartbeat"]
    assert picture.count('class="mark"') == len(calls)
    assert "prefers-color-scheme: dark" in picture


def test_the_picture_stays_inside_its_frame() -> None:
    trace, frames = recorded("v16")
    picture = draw_charge(trace, frames, begin_s=0.0, title="A charge")
    width, height = (float(text) for text in re.findall(r'viewBox="0 0 (\d+) (\d+)"', picture)[0])
    for points in re.findall(r'points="([^"]+)"', picture):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_a_picture_of_nothing_is_still_a_picture() -> None:
    ElementTree.fromstring(draw_charge([], [], begin_s=0.0, title="nothing"))
