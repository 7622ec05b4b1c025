"""The report of a technician's test, who holds the devices, and what is asked of the person: without any process."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.cli import main
from agent.settings.build import parse_station
from agent.settings.station import Settings
from agent.trial.arguments import CHECKS
from agent.trial.bought import controller
from agent.trial.findings import Check, Finding, Verdict, judged
from agent.trial.fitted import Fitted, Mains
from agent.trial.page import as_html
from agent.trial.person import Person
from agent.trial.report import Report, Subject, as_json, line_of, verdict_line
from agent.trial.services import InUse, make_free, start_again
from agent.trial.sights import Seen
from drivers.api.controllers import ControllerFault, ControllerReading, VehicleState
from tests.unit.station_files import SMALL

SUBJECT = Subject(
    station_id="CP-1", serial_number="SN-1", facts=(("charge-agent", "0.1.0"),), begun="b", ended="e", mains="off"
)
GOOD = judged(Check.PILOT, 1, "pilot, state A", 12.01, unit="V", low=11.4, high=12.6)
BAD = judged(Check.PILOT, 1, "pilot <state> F", -9.0, unit="V", low=-12.6, high=-11.4, hint="supply & duty")


def finding(verdict: Verdict) -> Finding:
    return Finding(check=Check.LIGHT, evse_id=1, what="status light", verdict=verdict)


@pytest.mark.parametrize(
    ("verdicts", "ok"),
    [
        ([Verdict.PASSED], True),
        ([Verdict.PASSED, Verdict.NOT_CONFIRMED, Verdict.LEFT_OUT], True),
        ([Verdict.PASSED, Verdict.FAILED], False),
        ([Verdict.PASSED, Verdict.NOT_TESTED], False),
        ([], False),
    ],
)
def test_a_report_is_good_only_when_all_that_can_be_tested_passed(verdicts: list[Verdict], ok: bool) -> None:
    findings = tuple(finding(each) for each in verdicts)
    assert Report(subject=SUBJECT, findings=findings).ok is ok
    assert not Report(subject=SUBJECT, findings=findings, complete=False).ok
    assert not Report(subject=SUBJECT, findings=findings, trouble="the test's process was killed").ok


class Page(HTMLParser):
    """Collects the cells, and sees that every table, row and cell is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.cells:
            self.cells[-1] += text


def test_the_page_holds_serial_versions_values_limits_verdicts_and_a_line_to_sign() -> None:
    html = as_html(Report(subject=SUBJECT, findings=(GOOD, BAD)))
    page = Page()
    page.feed(html)
    assert page.open == []
    cells = [cell.strip() for cell in page.cells]
    for cell in ("SN-1", "0.1.0", "12.01 V", "11.4 ... 12.6", "ok", "pilot <state> F", "FAILED", "supply & duty"):
        assert cell in cells
    assert "Signature" in cells
    for outside in ("http:", "https:", "src=", "href=", "<script"):
        assert outside not in html


def test_a_line_says_value_limits_and_hint() -> None:
    assert line_of(GOOD) == f"EVSE 1   {'pilot, state A':<36} {'ok':<14}12.01 V [11.4 ... 12.6]"
    assert line_of(BAD).endswith("-9 V [-12.6 ... -11.4]\n         -> supply & duty")
    assert "NOT IN ORDER: 1 passed, 1 failed" in verdict_line(Report(subject=SUBJECT, findings=(GOOD, BAD)))
    assert as_json(Report(subject=SUBJECT, findings=(BAD,)))["findings"][0]["low"] == -12.6
    assert judged(Check.METER, 1, "register", None, unit="Wh").text == "no value"


def test_the_checks_of_the_command_line_are_those_that_there_are() -> None:
    assert sorted(CHECKS) == sorted(each.value for each in Check if each is not Check.LATCH)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--mains-on", "--mains-off"], "not allowed with"),
        (["--skip", "everything"], "invalid choice"),
        (["--evse", "0"], "'0' is not the id of an EVSE"),
        (["--card-wait", "-1"], "'-1' is not a number of seconds"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["test", *arguments])
    assert refused.value.code == 2
    assert complaint in capsys.readouterr().err


# ---- who holds the devices -------------------------------------------------------------------------------------------


def settings_in(place: Path) -> Settings:
    text = SMALL.replace('id = "CP-0001"', f'id = "CP-0001"\nrun_dir = "{place}/run"')
    return parse_station(text.encode(), place / "station.toml")


@contextmanager
def guard_at(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(path))
        server.listen(8)
        yield server
    path.unlink(missing_ok=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket."""
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="trial-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


def _never(command: Sequence[str]) -> int:
    raise AssertionError(f"{command} was run")


def test_nothing_is_stopped_where_nothing_runs(place: Path) -> None:
    assert make_free(settings_in(place), stop=True, run=lambda command: 1) == []


def test_a_running_guard_is_named_and_left_alone_unless_asked(place: Path) -> None:
    settings = settings_in(place)
    with guard_at(settings.station.guard_socket), pytest.raises(InUse, match=r"a guard runs.*--stop-services"):
        make_free(settings, stop=False, run=_never)


def test_services_are_stopped_the_agent_first_and_started_again_the_guard_first(place: Path) -> None:
    settings = settings_in(place)
    commands: list[str] = []
    with guard_at(settings.station.guard_socket) as server:

        def run(command: Sequence[str]) -> int:
            commands.append(" ".join(command[1:]))
            if command[1:] == ("stop", "charge-guard.service"):
                server.close()
                os.unlink(settings.station.guard_socket)
            return 0

        stopped = make_free(settings, stop=True, run=run)
    assert [each for each in commands if each.startswith("stop")] == [
        "stop charge-agent.service", "stop charge-guard.service"
    ]  # fmt: skip
    commands.clear()
    assert start_again(stopped, run=run) == []
    assert commands == ["start charge-guard.service", "start charge-agent.service"]


def test_a_guard_that_is_no_service_is_not_stopped(place: Path) -> None:
    settings = settings_in(place)
    with guard_at(settings.station.guard_socket), pytest.raises(InUse, match="is no service of systemd"):
        make_free(settings, stop=True, run=lambda command: 3)


# ---- the person ------------------------------------------------------------------------------------------------------


def test_the_person_answers_in_words_and_may_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    person = Person(asks=True, out=out)
    monkeypatch.setattr("sys.stdin", io.StringIO("maybe\nYES\nn\n\n"))
    assert [person.yes("lit?") for _ in range(4)] == [True, False, None, None]
    assert out.getvalue().count("lit? [y/n") == 5
    assert Person(asks=False, out=out).yes("lit?") is None


# ---- a bought controller ---------------------------------------------------------------------------------------------


def report_of(*readings: ControllerReading | None, trouble: str | None = None) -> list[Finding]:
    evse = Fitted(evse_id=1, scan_s=0.01, mains=Mains.OFF, controlled=True)
    seen = Seen(now_s=0.0, levels={}, reading=None, trouble=trouble)
    course = controller(evse, seen)
    next(course)
    now_s, left = 0.0, list(readings)
    while True:
        now_s += 0.5
        reading = left.pop(0) if len(left) > 1 else left[0]
        try:
            course.send(Seen(now_s=now_s, levels={}, reading=reading, trouble=trouble))
        except StopIteration as end:
            return list(end.value)


def test_a_controller_is_tested_by_what_it_reports() -> None:
    good = ControllerReading(
        taken_s=0.0, vehicle=VehicleState.A, offer_a=0.0, contactor_closed=False, temperature_c=30.0, firmware="18"
    )
    assert {each.verdict for each in report_of(None, good)} == {Verdict.PASSED}
    bad = ControllerReading(
        taken_s=0.0, vehicle=VehicleState.E, offer_a=16.0, contactor_closed=True, faults=(ControllerFault.DIODE,)
    )
    failed = {each.what for each in report_of(bad) if each.verdict is Verdict.FAILED}
    assert failed == {
        "pilot, as the controller says", "offer at rest", "contactor, as the controller says", "controller's fault"
    }  # fmt: skip
    (silent,) = report_of(None, trouble="no answer of unit 1")
    assert silent.text == "SILENT: no answer of unit 1"
    there = ControllerReading(taken_s=0.0, vehicle=VehicleState.B, offer_a=0.0)
    assert Verdict.NOT_TESTED in {each.verdict for each in report_of(there)}
