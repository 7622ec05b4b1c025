"""The report of a test: what it is of, what was found, and how it is written: JSON, a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.trial.findings import Finding, Verdict, all_in_order, as_content

MARKS: Final = {
    Verdict.PASSED: "ok",
    Verdict.FAILED: "FAILED",
    Verdict.NOT_CONFIRMED: "not confirmed",
    Verdict.NOT_TESTED: "NOT TESTED",
    Verdict.LEFT_OUT: "left out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was tested, by whom and when.

    Attributes:
        facts: station, versions, files: name and value, in the order in which they are shown.
        begun, ended: times of day, UTC, as text; "unknown" where nobody vouches for the clock.
        mains: what the technician said of the mains.
        technician: name, where it was given.
    """

    station_id: str
    serial_number: str | None
    facts: tuple[tuple[str, str], ...]
    begun: str
    ended: str
    mains: str
    technician: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole test. ``complete``: it came to its end; ``trouble``: why not."""

    subject: Subject
    findings: tuple[Finding, ...]
    complete: bool = True
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Return whether all that can be tested passed."""
        return self.complete and not self.trouble and bool(self.findings) and all_in_order(self.findings)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs."""
    subject = report.subject
    return {
        "ok": report.ok,
        "complete": report.complete,
        "trouble": report.trouble,
        "station": subject.station_id,
        "serial_number": subject.serial_number,
        "facts": dict(subject.facts),
        "begun_utc": subject.begun,
        "ended_utc": subject.ended,
        "mains": subject.mains,
        "technician": subject.technician,
        "counts": counts(report.findings),
        "findings": [as_content(each) for each in report.findings],
    }


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings there are of each verdict."""
    return {verdict.value: sum(each.verdict is verdict for each in findings) for verdict in Verdict}


def line_of(finding: Finding) -> str:
    """Return a finding as a line of text, with its hint below where there is one."""
    where = finding.where
    said = " ".join(part for part in (value_of(finding), limits_of(finding), finding.text) if part)
    line = f"{where:<8} {finding.what:<36} {MARKS[finding.verdict]:<14}{said}".rstrip()
    return f"{line}\n{'':<9}-> {finding.hint}" if finding.hint else line


def value_of(finding: Finding) -> str:
    """Return value and unit as text."""
    if finding.value is None:
        return ""
    value = finding.value if isinstance(finding.value, str) else f"{finding.value:g}"
    if isinstance(finding.value, float) and abs(finding.value) >= 10_000:
        value = f"{finding.value:.0f}"
    return f"{value} {finding.unit}".rstrip()


def limits_of(finding: Finding) -> str:
    """Return the limits as text: ``11.4 ... 12.6``, ``<= 250``."""
    low, high = finding.low, finding.high
    if low is not None and high is not None:
        return f"[{low:g} ... {high:g}]"
    if high is not None:
        return f"[<= {high:g}]"
    return "" if low is None else f"[>= {low:g}]"


def verdict_line(report: Report) -> str:
    """Return the last line: how many of what, and what that means."""
    told = ", ".join(f"{number} {word}" for word, number in counts(report.findings).items() if number)
    if report.trouble:
        return f"{report.subject.station_id}: THE TEST DID NOT COME TO ITS END: {report.trouble} ({told or 'nothing'})"
    if not report.complete:
        return f"{report.subject.station_id}: ended before its end ({told or 'nothing tested'})"
    word = "all that can be tested is in order" if report.ok else "NOT IN ORDER"
    return f"{report.subject.station_id}: {word}: {told or 'nothing tested'}"
