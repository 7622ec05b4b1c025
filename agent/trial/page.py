"""The printable page of a report: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Final

from agent.trial.findings import Finding, Verdict
from agent.trial.report import MARKS, Report, limits_of, value_of, verdict_line

_STYLE: Final = """
@page { size: A4; margin: 15mm }
body { font: 10pt/1.35 sans-serif; color: #000; max-width: 190mm; margin: 1em auto }
h1 { font-size: 15pt; margin: 0 0 .3em } h2 { font-size: 11pt; margin: 1.2em 0 .3em }
table { border-collapse: collapse; width: 100% } thead { display: table-header-group } tr { page-break-inside: avoid }
th, td { border: 1px solid #999; padding: 2px 5px; text-align: left; vertical-align: top }
th { background: #eee } table.facts th { width: 12em }
.verdict { font-weight: bold; padding: .4em .6em; border: 2px solid #000; margin: .8em 0 }
.bad { font-weight: bold } .bad::before { content: "\\2717\\00a0" } .good::before { content: "\\2713\\00a0" }
.hint { color: #444; font-size: 9pt } .sign { margin-top: 2.5em; page-break-inside: avoid }
.sign td { border: none; border-top: 1px solid #000; padding-top: 3px; width: 33% }
.sign td.gap { border: none; width: 3% }
"""
_CLASS: Final = {Verdict.PASSED: "good", Verdict.FAILED: "bad", Verdict.NOT_TESTED: "bad"}


def as_html(report: Report) -> str:
    """Return the page."""
    subject = report.subject
    facts = [
        ("Station", subject.station_id),
        ("Serial number", subject.serial_number or "not in the station file"),
        *subject.facts,
        ("Begun", subject.begun),
        ("Ended", subject.ended),
        ("Mains during the test", subject.mains),
    ]
    rows = "\n".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    found = "\n".join(_row(each) for each in report.findings)
    title = f"Test of station {escape(subject.station_id)}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>
<body>
<h1>{title}</h1>
<table class="facts">
{rows}
</table>
<p class="verdict">{escape(verdict_line(report))}</p>
<table>
<thead><tr><th>Where</th><th>What</th><th>Value</th><th>Limits</th><th>Verdict</th><th>Remarks</th></tr></thead>
<tbody>
{found}
</tbody>
</table>
<table class="sign"><tr><td>Technician{_name(subject.technician)}</td><td class="gap"></td><td>Place and date</td>
<td class="gap"></td><td>Signature</td></tr></table>
</body>
</html>
"""


def _row(finding: Finding) -> str:
    where = finding.where
    remarks = escape(finding.text)
    if finding.hint:
        remarks += f'{"<br>" if remarks else ""}<span class="hint">{escape(finding.hint)}</span>'
    cells = (where, finding.what, value_of(finding), limits_of(finding).strip("[]"))
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    verdict = f'<td class="{_CLASS.get(finding.verdict, "open")}">{MARKS[finding.verdict]}</td>'
    return f"<tr>{shown}{verdict}<td>{remarks}</td></tr>"


def _name(technician: str) -> str:
    return f": {escape(technician)}" if technician else ""
