"""``python -m agent.guard PLAN [--clear-faults | --outputs-safe]``: run the guard, clear what it has latched, or only
write every output safe (for a station whose file cannot be used any more).

Exit codes: 0 ended in order; 1 a device or the scan failed (start again); 64 wrong arguments; 75 another guard runs;
78 the plan cannot be obeyed. Source of the numbers: sysexits(3). A guard that cannot start at all waits before it ends
where systemd will start it again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from agent.guard.ending import exit_code, pause_before_exit_s
from agent.guard.link import check_free
from agent.guard.log import Log
from agent.guard.plan import Plan, PlanError, load_plan
from drivers.api import DriverError

if TYPE_CHECKING:
    from agent.guard.station import Station

USAGE = "usage: python -m agent.guard PLAN [--clear-faults | --outputs-safe]\n"


def main(arguments: list[str]) -> int:
    """Run with ``arguments`` (without the program's name); return the exit code."""
    options = [argument for argument in arguments if argument.startswith("-")]
    paths = [argument for argument in arguments if not argument.startswith("-")]
    if len(paths) != 1 or options not in ([], ["--clear-faults"], ["--outputs-safe"]):
        sys.stderr.write(USAGE)
        return 64
    log = Log()

    def work() -> int:
        plan = load_plan(paths[0])
        if options == ["--clear-faults"]:
            return clear_faults(plan)
        return make_outputs_safe(plan, log) if options else run(plan, log)

    code = exit_code(work, log)
    if not options:
        time.sleep(pause_before_exit_s(code, os.environ))
    return code


def clear_faults(plan: Plan) -> int:
    """Remove the latched faults of ``plan``'s station; a running guard must be started again to forget them."""
    from agent.guard.latch import LatchFile

    latch = LatchFile(plan.state_dir)
    try:
        found = latch.clear()
    except OSError as problem:
        sys.stderr.write(f"{latch.path} cannot be removed: {problem}\n")
        return 1
    print(f"{latch.path}: latched faults cleared; restart a running guard." if found else "No fault is latched.")
    return 0


def make_outputs_safe(plan: Plan, log: Log) -> int:
    """Write every output of ``plan``'s station safe and end: nothing is scanned, nobody is served.

    Raises:
        DriverError, PlanError: the station cannot be opened. LinkError: a guard runs and keeps its outputs.
    """
    check_free(plan.socket)
    station = open_station(plan, log)
    station.make_safe(for_good=True)
    log.info("outputs.made_safe", plan_id=plan.plan_id)
    return 0


def open_station(plan: Plan, log: Log) -> Station:
    """Open the station; where that fails as a whole, end at least the offers whose devices can be reached.

    Raises:
        DriverError, PlanError: the station cannot be opened.
    """
    from agent.guard.station import Station  # the drivers' side is imported when the socket is known to be free

    try:
        return Station(plan, log, now_s=time.monotonic())
    except (DriverError, PlanError):
        from agent.guard.last_resort import end_offers

        end_offers(plan, log)
        raise


def run(plan: Plan, log: Log) -> int:
    """Make every output safe, then open the socket and scan until told to end; outputs are safe again at the end.

    Raises:
        DriverError, PlanError: the station cannot be opened. LinkError: the socket cannot. Anything else is a defect.
    """
    check_free(plan.socket)  # a guard that runs keeps its outputs
    station = open_station(plan, log)
    for_good = False
    try:
        from agent.guard.link import Link
        from agent.guard.loop import ScanStats, StopRequest, scan_until_stopped
        from agent.guard.realtime import Notifier, settle
        from agent.guard.wire import Welcome

        stop, stats = StopRequest(), ScanStats()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop.ask)
        welcome = Welcome(
            plan_id=plan.plan_id, guard_pid=os.getpid(), scan_s=plan.scan_s, evse_ids=tuple(station.evses)
        )
        link = Link(plan.socket, welcome=welcome, allowed_uids=plan.allowed_uids, deliver=station.handle, log=log)
        settle(log, realtime=plan.realtime)
        notifier = Notifier(log)
        notifier.ready()
        log.info("guard.started", plan_id=plan.plan_id, evses=len(station.evses), scan_ms=plan.scan_s * 1000)
        scan_until_stopped(station, link=link, notifier=notifier, stop=stop, scan_s=plan.scan_s, stats=stats)
        for_good = True
    finally:
        station.make_safe(for_good=for_good)
    notifier.stopping()
    link.close()
    log.info(
        "guard.ended",
        scans=stats.scans,
        overruns=stats.overruns,
        worst_late_ms=round(stats.worst_late_s * 1000, 3),
        worst_scan_ms=round(stats.worst_scan_s * 1000, 3),
        cpu_s=round(time.process_time(), 3),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
