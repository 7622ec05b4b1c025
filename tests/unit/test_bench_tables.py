"""The benchmarks run and print their tables, in tiny counts. Nothing here looks at a time."""

from __future__ import annotations

import re

import pytest

from bench.__main__ import BENCHES, main
from bench.tables import at_least, at_most, grid, percentile, spread, verdict_table


@pytest.mark.process
@pytest.mark.long
@pytest.mark.parametrize("name", BENCHES)
def test_a_benchmark_runs_and_prints_its_table_and_verdicts(
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("b"))
    assert main([name, "--quick"]) == 0
    told = capsys.readouterr().out
    assert re.search(rf"\({name}: \d+ s\)", told)
    assert "\ntargets" in told
    assert "too few for any verdict" in told


def test_an_unknown_benchmark_is_refused_with_the_names_of_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["sart"])
    assert refused.value.code == 2
    assert "'sart' is not one of start, footprint" in capsys.readouterr().err


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    table = grid("title", ("a", "long column"), {"one": ("1,000", "2"), "eleven": ("3", "4")}, ("a note",))
    assert table.splitlines() == [
        "title",
        "            a  long column",
        "one     1,000            2",
        "eleven      3            4",
        "  a note",
    ]


def test_a_percentile_is_a_value_that_occurred() -> None:
    values = [float(number) for number in range(1, 1001)]
    assert percentile(values, 0.5) == 500.0
    assert percentile(values, 0.99) == 990.0
    assert percentile(values, 0.999) == 999.0
    assert percentile([7.0], 0.999) == 7.0
    assert spread([1.0, 2.0, 9.0], digits=1) == ("2.0", "9.0", "9.0", "9.0", "3")


def test_a_verdict_says_target_measurement_and_whether_it_is_met() -> None:
    table = verdict_table([at_most("slow", 2.5, 2.0, "ms"), at_least("fast", 3.0, 3.0)])
    assert re.search(r"slow +<= 2 ms +2\.5 ms +MISSED", table)
    assert re.search(r"fast +>= 3 +3 +met", table)
