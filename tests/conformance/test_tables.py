"""The page about conformance against the tests that it is made of."""

from __future__ import annotations

import pytest

from tests.conformance import tables
from tests.conformance.octt.certification import CASES

ALL = [case for cases in CASES.values() for case in cases]


def test_every_certification_case_has_a_test_that_is_named_by_it_and_says_what_it_sees() -> None:
    assert len(set(ALL)) == 102
    for case in ALL:
        named = tables.own_tests(case)
        assert named, case
        assert all(each.title for each in named), case


def test_no_test_plays_a_case_that_does_not_exist() -> None:
    assert {case for each in tables.tests() for case in each.cases} <= set(ALL)


def test_the_page_is_what_the_tests_are() -> None:
    written = tables.PAGE.read_text(encoding="utf-8")
    made = tables.page({})
    assert tables.without_results(written) == tables.without_results(made), "run python -m tests.conformance.tables"


def test_an_outcome_is_that_of_every_parameter() -> None:
    results = {"t.py::test_a[1]": "passed", "t.py::test_a[2]": "failed", "t.py::test_b": "passed"}
    assert tables.outcome(["t.py::test_b"], results) == "yes"
    assert tables.outcome(["t.py::test_a", "t.py::test_b"], results) == "failed"
    assert tables.outcome(["t.py::test_c"], results) == "not run"


def test_the_table_of_cases_is_shown_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    tables.main(["--show"])
    *lines, summary = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ALL
    assert summary.endswith("of 102 cases.")
