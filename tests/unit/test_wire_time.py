"""Points in time on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ocpp.wire_time import check_times, format_utc, utc_s

AT = 1_795_182_482.125  # 2026-11-20T13:48:02.125Z


@pytest.mark.req("OCPP 1.6 §3.15; quirk T11")
@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T13:48:02.125Z",
        "2026-11-20t13:48:02.125z",
        "2026-11-20 13:48:02.125Z",
        "2026-11-20T13:48:02.125",
        "2026-11-20T13:48:02.125000+00:00",
        "2026-11-20T13:48:02.125000999999Z",
        "2026-11-20T13:48:02,125Z",
        "2026-11-20T15:48:02.125+02:00",
        "2026-11-20T15:48:02.125+0200",
        "2026-11-20T15:48:02.125+02",
        "2026-11-20T08:18:02.125-05:30",
        "2026-11-20 13:48:02.125 +00:00",
    ],
)
def test_a_moment_may_be_written_in_many_ways(text: str) -> None:
    check_times(text, None)
    assert utc_s(text) == pytest.approx(AT, abs=1e-6)


def test_a_moment_may_have_no_seconds() -> None:
    assert utc_s("2026-11-20T13:48Z") == AT - 2.125


def test_a_leap_second_is_the_start_of_the_next_minute() -> None:
    assert utc_s("2016-12-31T23:59:60Z") == utc_s("2017-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-20",
        "13:48:02Z",
        "20261120T134802Z",
        "2026-W47-5T13:48:02Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T13:60:00Z",
        "2026-11-20T13:48:61Z",
        "2026-11-20T13:48:02.Z",
        "2026-11-20T13:48:02+24:00",
        "2026-11-20T13:48:02+02:60",
        "2026-11-20T13:48:02Zx",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-20T13:48:02Z",
        "2026-11-20T13:48:02." + "1" * 10_000,
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date-time"):
        utc_s(text)
    with pytest.raises(ValueError, match="is not a date-time"):
        check_times(text)


@pytest.mark.req("OCPP 1.6 §3.15; quirk T12")
def test_our_own_form_is_strict() -> None:
    assert format_utc(AT) == "2026-11-20T13:48:02.125Z"
    assert format_utc(0) == "1970-01-01T00:00:00.000Z"
    assert format_utc(-0.9996) == "1969-12-31T23:59:59.000Z"
    assert format_utc(1.9996) == "1970-01-01T00:00:02.000Z"


@pytest.mark.parametrize("seconds", [1e12, -1e12, 1e300, float("nan"), float("inf")])
def test_a_moment_outside_the_calendar_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="outside the years"):
        format_utc(seconds)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_what_is_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert round(utc_s(format_utc(milliseconds / 1000)) * 1000) == milliseconds


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{0,12}[Z+-]?[0-9:]{0,6}", fullmatch=True)
)
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        check_times(text)
    except ValueError:
        return
    utc_s(text)
