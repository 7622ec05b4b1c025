"""The verbs about the bench itself and the station's processes: power, clock, boot, state, trace, wait, stop."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from hil.control import Kind, Parameter, Verb, VerbError, Verbs
from hil.dut import PID_MAX, all_dead
from hil.station_files import Clock
from hil.trace import OPERATORS, Condition

if TYPE_CHECKING:
    from hil.server import Bench

_ROLES: Final = ("guard", "agent")


class BenchVerbs:
    """The verbs' bodies."""

    def __init__(self, bench: Bench, verbs: Verbs) -> None:
        self._bench = bench
        self._verbs = verbs

    async def power_cut(self, *, off_s: float | None) -> dict[str, Any]:
        """Cut the power."""
        bench = self._bench
        killed = bench.processes.pids
        gone = bench.processes.kill_all()
        bench.world.cut_power(bench.now_s())
        bench.pins.drop_all()
        bench.settle()
        await all_dead(gone)
        boot_id = bench.files.new_boot()
        bench.record("boot_id", boot_id)
        if off_s is not None:
            bench.later(off_s, bench.restore_power)
        return {"killed": killed, "boot_id": boot_id, "power": bench.world.powered}

    async def power_on(self) -> dict[str, Any]:
        """Give the power back."""
        self._bench.restore_power()
        return {"power": True, "boot_id": self._bench.files.boot_id}

    async def dut_register(self, *, role: str, pid: int) -> dict[str, Any]:
        """Know a process."""
        self._bench.processes.register(role, pid)
        return {"pids": self._bench.processes.pids}

    async def dut_forget(self, *, role: str) -> dict[str, Any]:
        """Forget a process."""
        self._bench.processes.forget(role)
        return {"pids": self._bench.processes.pids}

    async def clock(self, *, mode: str, utc: str | None, seconds: float | None) -> dict[str, Any]:
        """Change what the station's clock says."""
        files = self._bench.files
        match mode:
            case "unknown":
                files.set_clock(Clock(known=False, offset_s=files.clock.offset_s))
            case "system":
                files.set_clock(Clock())
            case "step":
                if seconds is None:
                    raise VerbError("clock: step needs seconds, for example 3600 or -3600")
                files.set_clock(Clock(known=True, offset_s=files.clock.offset_s + seconds))
            case _:
                files.set_utc(_utc_s(utc))
        clock = files.clock
        self._bench.record("clock.known", clock.known)
        self._bench.record("clock.offset_s", clock.offset_s)
        return {"known": clock.known, "offset_s": clock.offset_s}

    async def boot_id(self) -> dict[str, Any]:
        """Return the boot id."""
        return {"boot_id": self._bench.files.boot_id}

    async def state(self) -> dict[str, Any]:
        """Return everything."""
        return self._bench.report()

    async def trace(self, *, since_s: float | None, signals: list[str], limit: int) -> dict[str, Any]:
        """Return what the world saw."""
        self._bench.step()
        now_s = self._bench.now_s()
        since = float("-inf") if since_s is None else since_s if since_s >= 0.0 else now_s + since_s
        entries = self._bench.trace.entries(since_s=since, patterns=signals, limit=limit)
        return {"now_s": now_s, "entries": [[entry.at_s, entry.signal, entry.value] for entry in entries]}

    async def wait(
        self, *, signal: str, op: str, value: Any, timeout_s: float, since_s: float | None
    ) -> dict[str, Any]:
        """Wait for a signal."""
        self._bench.step()
        trace = self._bench.trace
        try:
            entry = await trace.wait(Condition(signal=signal, op=op, value=value), since_s=since_s, timeout_s=timeout_s)
        except TimeoutError as exc:
            newest = trace.newest(signal)
            close = difflib.get_close_matches(signal, trace.signals, n=1)
            hint = f", did you mean {close[0]!r}?" if newest is None and close else ""
            seen = f"it is {newest.value!r}" if newest is not None else f"it was never seen{hint}"
            raise VerbError(f"wait: {signal} {op} {value!r} did not come within {timeout_s:g} s: {seen}") from exc
        return {"t": entry.at_s, "signal": signal, "value": entry.value, "now_s": self._bench.now_s()}

    async def verbs(self) -> list[dict[str, Any]]:
        """Return every verb."""
        return self._verbs.describe()

    async def stop(self) -> dict[str, Any]:
        """End the bench."""
        self._bench.later(0.05, self._bench.stop)
        return {"stopping": True}


def _utc_s(utc: str | None) -> float:
    wanted = "expected a time such as 2026-03-01T12:00:00Z"
    if utc is None:
        raise VerbError(f"clock: set needs utc, {wanted}")
    try:
        moment = datetime.fromisoformat(utc)
    except ValueError as exc:
        raise VerbError(f"clock: utc is {utc!r}, {wanted}") from exc
    if moment.tzinfo is None:
        raise VerbError(f"clock: utc is {utc!r} without a time zone, {wanted}")
    return moment.timestamp()


def register(verbs: Verbs, body: BenchVerbs | type[BenchVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    role = Parameter(name="role", kind=Kind.TEXT, help="which process", choices=_ROLES, positional=True)
    pid = Parameter(name="pid", kind=Kind.INT, help="its process id", minimum=1, maximum=PID_MAX, positional=True)
    off = Parameter(
        name="off_s", kind=Kind.NUMBER, help="power comes back by itself; left out: power_on", default=None, unit="s",
        minimum=0, maximum=86400,
    )  # fmt: skip
    clock = (
        Parameter(
            name="mode", kind=Kind.TEXT, help="what happens to the station's clock", positional=True,
            choices=("unknown", "set", "step", "system"),
        ),
        Parameter(name="utc", kind=Kind.TEXT, help="for set: ISO 8601 with time zone", default=None),
        Parameter(
            name="seconds", kind=Kind.NUMBER, help="for step", default=None, unit="s", minimum=-1e9, maximum=1e9
        ),
    )  # fmt: skip
    since_help = "monotonic time; negative: so long ago"
    trace = (
        Parameter(name="since_s", kind=Kind.NUMBER, help=since_help, default=None, unit="s"),
        Parameter(name="signals", kind=Kind.TEXTS, help="patterns such as evse1.*", default=("*",), positional=True),
        Parameter(name="limit", kind=Kind.INT, help="newest entries", default=5000, minimum=1, maximum=200_000),
    )
    wait = (
        Parameter(name="signal", kind=Kind.TEXT, help="such as evse1.load", positional=True),
        Parameter(
            name="op", kind=Kind.TEXT, help="comparison", default="==", choices=tuple(OPERATORS), positional=True
        ),
        Parameter(name="value", kind=Kind.ANY, help="what to compare with", default=True, positional=True),
        Parameter(
            name="timeout_s", kind=Kind.NUMBER, help="how long", default=10.0, unit="s", minimum=0, maximum=86400
        ),
        Parameter(
            name="since_s", kind=Kind.NUMBER, help="also accept a moment since then; left out: now", default=None,
            unit="s",
        ),
    )  # fmt: skip
    for name, summary, parameters, stimulus in (
        ("power_cut", "kill the registered processes at once, drop every output, change the boot id",
         (off,), True),
        ("power_on", "give the station power again after power_cut", (), True),
        ("dut_register", "make a process of the station known, so that power_cut can kill it",
         (role, pid), False),
        ("dut_forget", "forget a process of the station", (role,), False),
        ("clock", "make the station's clock unknown, set it, step it, or follow this machine", clock, True),
        ("boot_id", "tell the identity of the station's current boot", (), False),
        ("state", "report everything", (), False),
        ("trace", "report what the world saw: [monotonic s, signal, value]", trace, False),
        ("wait", "wait until a signal meets a condition; answers with the time at which it did", wait, False),
        ("verbs", "describe every verb", (), False),
        ("stop", "end the bench", (), False),
    ):  # fmt: skip
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=getattr(body, name), stimulus=stimulus))
