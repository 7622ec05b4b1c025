"""The terminal timeline."""

from __future__ import annotations

import io

from hil.timeline import Entry, Style, Timeline, render, sayable, span

TAP = Entry(at_s=100.0, source="card", text="04A2B3C4 is held to reader 1", label="the tap")
ACCEPTED = Entry(at_s=100.041, source="CSMS", text="Authorize → Accepted", cause=TAP)
CLOSED = Entry(at_s=103.25, source="guard", text="contactor closes", cause=ACCEPTED)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]  # a StringIO has none, a terminal has

    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_the_cause_stands_behind() -> None:
    text = render([TAP, ACCEPTED, CLOSED], Style(width=90))
    assert text.splitlines() == [
        "   +0.000 s  card      04A2B3C4 is held to reader 1",
        "   +0.041 s  CSMS      Authorize → Accepted                   41 ms after the tap",
        "   +3.250 s  guard     contactor closes                       3.2 s after CSMS",
    ]


def test_entries_are_shown_in_order_of_time_and_else_as_given() -> None:
    same = Entry(at_s=100.0, source="car", text="looks on")
    text = render([CLOSED, TAP, same], Style())
    assert [line.split()[2] for line in text.splitlines()] == ["card", "car", "guard"]


def test_without_unicode_every_sign_has_an_ascii_word() -> None:
    style = Style(width=90, unicode=False)
    text = render([ACCEPTED, Entry(at_s=101, source="meter", text="5 kWh ≥ 4 kWh … Grüße")], style)
    assert text.isascii()
    assert "Authorize -> Accepted" in text
    assert ">= 4 kWh ..." in text
    timeline = Timeline(style, 0.0)
    assert timeline.verdict(True, "1,234 Wh").startswith("ok 1,234 Wh")
    assert timeline.heading("The charge").startswith("-- The charge ---")


def test_colour_is_for_terminals_that_want_it() -> None:
    assert Style.for_stream(Terminal(), {}).colour
    assert Style.for_stream(Terminal(), {"NO_COLOR": ""}).colour
    assert not Style.for_stream(Terminal(), {"NO_COLOR": "1"}).colour
    assert not Style.for_stream(Terminal(), {"TERM": "dumb"}).colour
    plain = Style.for_stream(io.StringIO(), {})
    assert (plain.colour, plain.unicode) == (False, False)
    assert Style.for_stream(Terminal(), {}).unicode


def test_colour_changes_nothing_but_colour() -> None:
    import re

    entries = [TAP, ACCEPTED, CLOSED]
    painted = render(entries, Style(width=90, colour=True))
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == render(entries, Style(width=90))


def test_a_long_text_goes_on_in_its_own_column() -> None:
    entry = Entry(at_s=100.5, source="meter", text="reading " * 12, cause=TAP)
    first, *rest = render([TAP, entry], Style(width=90)).splitlines()[1:]
    assert first.endswith("500 ms after the tap")
    assert rest
    column = first.index("reading")
    assert all(line.startswith(" " * column + "reading") for line in rest)
    assert max(map(len, [first, *rest])) <= 90


def test_on_a_narrow_terminal_the_cause_follows_the_text() -> None:
    lines = render([TAP, ACCEPTED], Style(width=60)).splitlines()
    assert any("(41 ms after the" in line for line in lines)
    assert max(map(len, lines)) <= 60


def test_something_seen_before_its_cause_is_said_so() -> None:
    early = Entry(at_s=99.99, source="CSMS", text="knew it", cause=TAP)
    assert "10 ms before the tap" in render([early], Style())


def test_spans_are_given_in_the_unit_a_reader_wants() -> None:
    told = [span(s) for s in (0.0, 0.0004, 0.00994, 0.041, 0.9994, 0.9996, 3.24, 59.94, 59.96, 125, 3599.6, 4030)]
    assert told == [
        "0.0 ms", "0.4 ms", "9.9 ms", "41 ms", "999 ms", "1.0 s", "3.2 s", "59.9 s", "1 min 00 s", "2 min 05 s",
        "1 h 00 min", "1 h 07 min",
    ]  # fmt: skip


def test_no_entries_are_no_lines() -> None:
    assert render([], Style()) == ""


def test_what_an_output_cannot_say_is_escaped() -> None:
    assert sayable("half \ud800 → Grüße", "utf-8") == "half \\ud800 → Grüße"
    assert sayable("half \ud800 →", "ascii") == "half \\ud800 \\u2192"
    assert sayable("→", None) == "→"
