"""The timings are data: what the page shows is what the code counts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.guard import timings
from agent.guard.timings import TIMINGS, as_markdown
from agent.settings.hardware_tables import EVSE, GUARD

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text("utf-8")


def test_the_page_shows_the_table_as_the_code_has_it() -> None:
    assert as_markdown() in PAGE, "python -m agent.guard.timings prints the table"


def test_every_row_is_whole_and_counted_with_under_its_own_name() -> None:
    assert len({each.name for each in TIMINGS}) == len(TIMINGS)
    for each in TIMINGS:
        assert getattr(timings, each.name) == each.value > 0
        assert all((each.clause, each.source, each.says)), each.name
        assert each.kind in ("min", "max", "exact")
        assert each.binds in ("station", "vehicle", "both")


@pytest.mark.req("IEC 61851-1:2017 table A.6")
def test_the_numbers_of_the_standards_sequences() -> None:
    expected = {
        "CLOSE_S": 3.0,
        "OPEN_S": 0.1,
        "FOLLOW_S": 5.0,
        "OFFER_CHANGE_S": 5.0,
        "VEHICLE_STOP_S": 3.0,
        "STOP_GRACE_S": 6.0,
        "SHORT_OPEN_S": 3.0,
        "F_HOLD_S": 0.3,
        "WAKE_UP_AFTER_S": 30.0,
        "WAKE_UP_PULSE_S": 4.0,
        "FEEDBACK_S": 0.25,
        "DEBOUNCE_S": 0.01,
        "RECLOSE_S": 10.0,
    }
    assert {each.name: each.value for each in TIMINGS if each.name in expected} == expected


def test_the_station_file_has_the_same_defaults_and_allows_no_slower_scan() -> None:
    of_guard = {field.name: field for field in GUARD.fields}
    of_evse = {field.name: field for field in EVSE.fields}
    assert of_guard["min_reclose_s"].default == timings.RECLOSE_S
    assert of_guard["stop_grace_s"].default == of_guard["stop_grace_s"].maximum == timings.STOP_GRACE_S
    assert of_guard["stop_grace_s"].minimum == timings.VEHICLE_STOP_S
    assert of_evse["phase_wait_s"].default == timings.PHASE_WAIT_S
    assert of_evse["phase_interval_s"].default == timings.PHASE_INTERVAL_S
    assert of_guard["scan_ms"].maximum is not None
    assert timings.MAX_AGE_SCANS * of_guard["scan_ms"].maximum / 1000 <= timings.OPEN_S
