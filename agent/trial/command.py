"""``charge-agent test``: the technician's test, guided on a terminal, or without questions for programs."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from agent import __version__
from agent.settings.compile import plan_of
from agent.settings.station import EvseSettings, Settings
from agent.trial.findings import Check, Finding, Verdict
from agent.trial.fitted import Mains
from agent.trial.meters import LIVE_V, check_meters
from agent.trial.page import as_html
from agent.trial.person import Person
from agent.trial.readers import check_readers
from agent.trial.report import Report, Subject, as_json, line_of, verdict_line
from agent.trial.services import InUse, make_free, start_again
from agent.trial.steering import Lost, hold_and_check
from drivers.api import ClockSource, DriverError
from drivers.registry import open_driver

EXIT_USAGE: Final = 2
EXIT_IN_USE: Final = 75  # EX_TEMPFAIL of <sysexits.h>
EXIT_INTERRUPTED: Final = 130
CARD_S: Final = 30.0
CARD_ALONE_S: Final = 3.0  # where nobody is asked


def run(options: Namespace, settings: Settings) -> int:
    """Run the verb; return its exit code: 0 all that can be tested passed, 1 not, 2, 75 in use, 130 ended early."""
    asks = sys.stdin.isatty() and not options.yes
    person = Person(asks=asks, out=sys.stderr if options.json else sys.stdout)
    known = {each.id for each in settings.evses}
    chosen = tuple(dict.fromkeys(options.evse or ())) or tuple(sorted(known))
    if not known.issuperset(chosen):
        person.complain(f"there is no EVSE {sorted(set(chosen) - known)[0]}, expected one of {sorted(known)}")
        return EXIT_USAGE
    refusal = _live_refused(options, settings, person)
    if refusal:
        person.complain(refusal)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, _end)
    try:
        stopped = make_free(settings, stop=options.stop_services)
    except InUse as problem:
        person.complain(str(problem))
        return EXIT_IN_USE
    try:
        report = _test(options, settings, chosen, person)
    finally:
        for unit in start_again(stopped):
            person.complain(f"{unit} was stopped for the test and cannot be started again: systemctl start {unit}")
    return _hand_over(options, report, person)


def _end(number: int, frame: object) -> NoReturn:
    """End as Ctrl-C does: the holder is ended and its outputs are safe before we go."""
    raise KeyboardInterrupt


def _live_refused(options: Namespace, settings: Settings, person: Person) -> str:
    """Return why the test is not held on live mains, empty where it may be or nobody wants it."""
    if not options.mains_on:
        return ""
    station_id = settings.station.id
    given = options.confirm
    if given is None:
        given = person.text(
            "The contactor will close on LIVE mains: the outlet carries voltage. Nothing may be plugged in, nobody may "
            f"touch it. Type the station's id ({station_id}) to confirm: "
        )
    if given == station_id:
        return ""
    said = "was not confirmed" if given is None else f"was confirmed with {given!r}"
    return f"--mains-on {said}, expected the station's id: --confirm {station_id}"


def _test(options: Namespace, settings: Settings, chosen: Sequence[int], person: Person) -> Report:
    begun = _time_of_day(settings)
    findings: list[Finding] = []
    left_out = frozenset(Check(each) for each in options.skip or ())

    def found(finding: Finding) -> None:
        findings.append(finding)
        person.tell(line_of(finding))

    complete, trouble, mains = False, "", Mains.UNCONFIRMED
    try:
        evses = [each for each in settings.evses if each.id in chosen]
        mains, why = _mains(options, person), ""
        if Check.METER not in left_out:
            voltage_v = asyncio.run(check_meters(settings, evses, mains, found, person.say))
            mains, why = _contradicted(mains, voltage_v)
        _check_devices(settings, chosen, mains, why, left_out, found, person)
        if Check.READER not in left_out:
            wait_s = options.card_wait or (CARD_S if person.asks else CARD_ALONE_S)
            asyncio.run(check_readers(settings, wait_s=wait_s, found=found, say=person.say))
        complete = True
    except Lost as problem:
        trouble = str(problem)
    except KeyboardInterrupt:
        person.complain("Ended; the outputs are safe.")
    finally:
        person.done()
    findings += [
        Finding(check=check, evse_id=None, what=check.value, verdict=Verdict.LEFT_OUT)
        for check in (Check.METER, Check.READER)
        if check in left_out
    ]
    subject = Subject(
        station_id=settings.station.id,
        serial_number=settings.station.serial_number,
        facts=_facts(settings),
        begun=begun,
        ended=_time_of_day(settings),
        mains=mains.value,
        technician=options.technician or "",
    )
    return Report(subject=subject, findings=tuple(findings), complete=complete, trouble=trouble)


def _mains(options: Namespace, person: Person) -> Mains:
    """Return the technician's word on the mains."""
    if options.mains_on:
        return Mains.ON
    off = options.mains_off or person.yes("Are the mains of this station switched off and secured?") is True
    return Mains.OFF if off else Mains.UNCONFIRMED


def _contradicted(mains: Mains, voltage_v: Mapping[int, float | None]) -> tuple[Mains, str]:
    """Return what the technician's word is worth when the meters have spoken, and what they say against it."""
    for evse_id, value in voltage_v.items():
        if mains is not Mains.ON and value is not None and value > LIVE_V:
            return Mains.UNCONFIRMED, f"the mains are ON: the meter of EVSE {evse_id} shows {value:.0f} V"
    return mains, ""


def _check_devices(
    settings: Settings,
    chosen: Sequence[int],
    mains: Mains,
    why: str,
    left_out: frozenset[Check],
    found: Callable[[Finding], None],
    person: Person,
) -> None:
    order = {
        "mains": mains.value,
        "mains_why": why,
        "left_out": [each.value for each in left_out],
        "evses": list(chosen),
    }
    settings.station.guard_socket.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="charge-agent-test-") as place:
        plan = Path(place) / "plan.json"
        plan.write_text(json.dumps(plan_of(settings)), encoding="utf-8")
        hold_and_check(plan, order, found=found, say=person.say, answer=person.yes)


def _hand_over(options: Namespace, report: Report, person: Person) -> int:
    code = 0 if report.ok else 1
    if options.html is not None:
        try:
            options.html.write_text(as_html(report), encoding="utf-8")
        except OSError as problem:
            person.complain(f"{options.html} cannot be written: {problem.strerror or problem}")
            code = 1
    if options.json:
        print(json.dumps(as_json(report), indent=2))
    person.tell(verdict_line(report))
    return code if report.complete or report.trouble else EXIT_INTERRUPTED


def _facts(settings: Settings) -> tuple[tuple[str, str], ...]:
    system = os.uname()
    return (
        ("Vendor, model", f"{settings.station.vendor} {settings.station.model}"),
        *((("Board", settings.board.title),) if settings.board is not None else ()),
        ("EVSEs", ", ".join(_evse(each) for each in settings.evses)),
        ("charge-agent", __version__),
        ("Python, kernel", f"{platform.python_version()}, {system.sysname} {system.release} {system.machine}"),
        ("Station file", f"{settings.file}, SHA-256 {settings.sha256[:16]}"),
        ("Plan", str(plan_of(settings)["plan_id"])),
    )


def _evse(evse: EvseSettings) -> str:
    connectors = ", ".join(each.connector for each in evse.parts)
    return f"{evse.id}: {evse.phases} x {evse.max_current_a:g} A, {connectors}"


def _time_of_day(settings: Settings) -> str:
    try:
        clock: ClockSource = open_driver(settings.clock.target, settings.clock.options)
        utc_s = clock.utc_s()
    except DriverError:
        utc_s = None
    if utc_s is None:
        return "unknown: the clock is not set"
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
