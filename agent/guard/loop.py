"""The fixed scan, like a PLC's: scan, report, pet the watchdog, then serve the socket until the next scan is due."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from types import FrameType

from agent.guard.link import Link
from agent.guard.realtime import Notifier
from agent.guard.station import Station


@dataclass(slots=True, kw_only=True)
class ScanStats:
    """What the loop counted: scans, scans that came a whole period late or more, the worst delay and duration."""

    scans: int = 0
    overruns: int = 0
    worst_late_s: float = 0.0
    worst_scan_s: float = 0.0


class StopRequest:
    """How often the process was told to end: once means in order, twice at once."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.asked = 0

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; meets ``signal.signal``."""
        self.asked += 1


def scan_until_stopped(
    station: Station, *, link: Link, notifier: Notifier, stop: StopRequest, scan_s: float, stats: ScanStats
) -> None:
    """Scan every ``scan_s`` until ``stop`` was asked and every contactor is open (or it was asked twice)."""
    due_s = monotonic()
    owns_buses, beats = station.owns_buses, station.beats
    held = False
    while True:
        now_s = monotonic()
        late_s = now_s - due_s
        if late_s > stats.worst_late_s:
            stats.worst_late_s = late_s
        if late_s >= scan_s:
            stats.overruns += 1
            due_s = now_s  # what was missed is not made up for
        if link.held is not held:
            held = link.held
            station.attend(held, now_s)
        for report in station.scan(now_s):
            link.publish(report)
        took_s = monotonic() - now_s
        if took_s > stats.worst_scan_s:
            stats.worst_scan_s = took_s
        stats.scans += 1
        if beats:
            station.beat(now_s, healthy=late_s < scan_s and took_s < scan_s)
        if owns_buses:
            for client_id, answer in station.take_answers():
                link.send(client_id, answer)
        if now_s >= notifier.due_s:
            notifier.pet(now_s)
        if stop.asked:
            if stop.asked > 1 or station.stopped:
                return
            station.stop()
        due_s += scan_s
        link.wait(due_s)
