"""``python -m tests.conformance.tables``: write docs/conformance-16.md; with ``--show``, print the table of cases only.

What the tests are is read from their files; whether they passed, from what pytest kept of the last run of each
(``tests/conftest.py``). The suite holds the page against the files, not against results: those are as of the run that
the page was written after.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.octt.certification import CASES

REPOSITORY: Final = Path(__file__).parents[2]
PAGE: Final = REPOSITORY / "docs" / "conformance-16.md"
RULES: Final = Path(__file__).with_name("rules_16.toml")
_RESULTS: Final = REPOSITORY / ".pytest_cache" / "v" / "conformance" / "results"
PASSED: Final = "yes"
UNKNOWN: Final = "not run"

Results = Mapping[str, str]

_ABOUT: Final = """\
# Conformance to OCPP 1.6

Written by `python -m tests.conformance.tables` from the tests themselves; do not edit. The tables say what is proven
and by which test; the last column is the outcome of each test's last run before the page was written.

The certification cases are played by the whole agent: its parts as they are wired in production, its journal on disk,
the guard's own station behind its socket, and the bench's world around them (vehicle, pilot, contactor, lock, meter),
all in one process and in virtual time. The CSMS is the bench's, on the `ocpp` package from PyPI, whose schemas check
every frame both ways; at the end of each case its book must hold nothing against the station. Security cases go over
real sockets and TLS. Some cases are played on the bench's real processes, too: those tests are named beside.

`make octt` plays every case and prints their table.
"""

_NOT_FOR_EVERY_STATION: Final = """\
A station with everything has no use for TC_042_1, TC_043_1, TC_048_4 and TC_050_4: they are played with the function
switched off. TC_032_1 wants a back-up supply that warns of its end (SIGPWR).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test function: its node without parameters, the cases that it is marked with, and its first line."""

    node: str
    cases: tuple[str, ...]
    title: str

    @property
    def name(self) -> str:
        """Return the function's name."""
        return self.node.rpartition("::")[2]


@cache
def tests() -> tuple[Test, ...]:
    """Return every test that plays a certification case, by file and line."""
    return tuple(test for path in sorted((REPOSITORY / "tests").rglob("test_*.py")) for test in _tests_in(path))


def _tests_in(path: Path) -> Iterator[Test]:
    text = path.read_text(encoding="utf-8")
    if "octt(" not in text and "@case(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        cases = tuple(case for each in node.decorator_list for case in _cases_of(each))
        if cases:
            title = (ast.get_docstring(node) or "").partition("\n")[0]
            yield Test(node=f"{path.relative_to(REPOSITORY)}::{node.name}", cases=cases, title=title)


def _cases_of(decorator: ast.expr) -> list[str]:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) not in ("case", "pytest.mark.octt"):
        return []
    return [each.value for each in decorator.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def own_tests(case: str) -> list[Test]:
    """Return the tests that are named by a case."""
    prefix = f"test_{case.lower()}_"
    return [each for each in tests() if case in each.cases and each.name.startswith(prefix)]


def other_tests(case: str) -> list[Test]:
    """Return the tests that carry a case's marker beside those that are named by it."""
    return [each for each in tests() if case in each.cases and each not in own_tests(case)]


def rules() -> list[dict[str, Any]]:
    """Return the rules of ``rules_16.toml``."""
    found: list[dict[str, Any]] = tomllib.loads(RULES.read_text(encoding="utf-8"))["rule"]
    return found


def last_results() -> Results:
    """Return what pytest kept, by node."""
    try:
        found: dict[str, str] = json.loads(_RESULTS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def outcome(nodes: Sequence[str], results: Results) -> str:
    """Return ``yes`` where every test passed with all of its parameters, else what did not."""
    found: set[str] = set()
    for node in nodes:
        found |= {said for name, said in results.items() if name.partition("[")[0] == node} or {UNKNOWN}
    return PASSED if found == {"passed"} else ", ".join(sorted(found - {"passed"}))


def case_rows(results: Results) -> list[tuple[str, ...]]:
    """Return the table of certification cases."""
    return [
        (
            case,
            profile,
            " ".join(each.title for each in own_tests(case)),
            _names(own_tests(case)),
            _names(other_tests(case)),
            outcome([each.node for each in own_tests(case)], results),
        )
        for profile, cases in CASES.items()
        for case in cases
    ]


def rule_rows(results: Results, *, quirks: bool) -> list[tuple[str, ...]]:
    """Return the table of rules, or that of tolerances."""
    return [
        (
            each["id"],
            *(() if quirks else (each["section"],)),
            each["text"],
            ", ".join(f"`{node.rpartition('::')[2]}`" for node in each["tests"]),
            outcome(each["tests"], results),
        )
        for each in rules()
        if each["id"].startswith("T") is quirks
    ]


def page(results: Results) -> str:
    """Return the whole page."""
    cases, lines = case_rows(results), rule_rows(results, quirks=False)
    quirks = rule_rows(results, quirks=True)
    return "\n".join(
        (
            _ABOUT,
            f"## Certification cases for a station\n\n{_summary(cases, 'cases')}\n",
            _table(("Case", "Profile", "What must be seen", "Test", "See also", "Passed"), cases),
            _NOT_FOR_EVERY_STATION,
            f"## Rules\n\n{_summary(lines, 'rules')}\n",
            _table(("Rule", "Source", "In our words", "Tests", "Passed"), lines),
            f"## Tolerances for real back ends\n\n{_summary(quirks, 'tolerances')}\n",
            _table(("Quirk", "What is tolerated or done", "Tests", "Passed"), quirks),
        )
    )


def without_results(text: str) -> str:
    """Return a page without what the last run says: the last column and the counts."""
    kept = []
    for line in text.splitlines():
        if line.startswith("Passed: "):
            continue
        kept.append(line.rpartition(" | ")[0] if line.startswith("| ") else line)
    return "\n".join(kept)


def _names(found: Sequence[Test]) -> str:
    return ", ".join(f"`{each.name}`" for each in found)


def _summary(rows: Sequence[tuple[str, ...]], what: str) -> str:
    passed = sum(row[-1] == PASSED for row in rows)
    return f"Passed: {passed} of {len(rows)} {what}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(each)} |\n" for each in lines)


def show(results: Results) -> int:
    """Print the table of cases for people; return 0 where every case passed or is expected to fail."""
    rows = case_rows(results)
    for case, profile, title, *_rest, said in rows:
        print(f"{case:<13} {profile:<26} {said:<17} {title}")
    print(_summary(rows, "cases"))
    return 0 if all(row[-1] in (PASSED, "expected to fail") for row in rows) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.tables", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the table of cases and write nothing")
    if parser.parse_args(arguments).show:
        return show(last_results())
    PAGE.write_text(page(last_results()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
