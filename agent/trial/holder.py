"""``python -m agent.trial.holder PLAN``: hold the devices of a plan and run the checks, as told on the standard input.

One JSON object per line. In: first ``{"mains", "mains_why", "left_out", "evses"}``, then for each question
``{"answer": true|false|null}``. Out: ``{"found": finding}``, ``{"say": text}``, ``{"ask": question}``, and last
``{"done": true}``.

Every output is safe before the first check and after the last, and after whatever ended it: a signal, a defect, the
end of the input (whoever asked has died). While it runs it listens at the guard's socket, so that no guard starts
beside it. Exit codes: 0 done; 1 a device failed for good; 64 wrong arguments; 75 a guard runs; 78 the plan cannot be
obeyed; 130 ended before the end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from agent.guard.ending import exit_code
from agent.guard.latch import Channel, Latched, LatchFile
from agent.guard.link import Link, check_free
from agent.guard.log import Log
from agent.guard.loop import StopRequest
from agent.guard.plan import Plan, load_plan
from agent.guard.realtime import settle
from agent.guard.wire import Message, Refused, Welcome
from agent.trial.devices import Devices
from agent.trial.findings import Check, Finding, as_content
from agent.trial.fitted import Fitted, Mains, fitted, fitted_controlled
from agent.trial.rules import LATE_S
from agent.trial.runner import Runner

ENDED_EARLY: Final = 130
READ_B: Final = 65536


def main(arguments: list[str]) -> int:
    """Run with ``arguments`` (without the program's name); return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m agent.trial.holder PLAN\n")
        return 64
    log = Log()
    stop = StopRequest()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, stop.ask)
    for number in (signal.SIGPIPE, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)  # a terminal's Ctrl-Z must not stop who holds a coil
    return exit_code(lambda: run(load_plan(arguments[0]), log, stop), log)


def run(plan: Plan, log: Log, stop: StopRequest) -> int:
    """Hold the devices until everything was checked or somebody ended it; they are safe at the end.

    Raises:
        DriverError: the devices cannot be opened, or cannot be made safe. PlanError, LinkError: see ``Station``.
    """
    check_free(plan.socket)
    talk = Talk()
    order = talk.first_line(stop)
    if order is None:
        return ENDED_EARLY
    devices: Devices | None = None
    link: Link | None = None
    try:
        welcome = Welcome(plan_id=plan.plan_id, guard_pid=os.getpid(), scan_s=plan.scan_s, evse_ids=plan.evse_ids)
        link = Link(plan.socket, welcome=welcome, allowed_uids=frozenset(), deliver=refuse, log=log)
        devices = Devices(plan, log)
        settle(log, realtime=plan.realtime)
        done = keep_checking(plan, devices, link=link, talk=talk, order=order, stop=stop)
    finally:
        if devices is not None:
            devices.make_safe()
        if link is not None:
            link.close()
    talk.tell({"done": done})
    return 0 if done else ENDED_EARLY


def refuse(message: Message, asker: int, now_s: float) -> Message | None:
    """Refuse whatever an agent asks of the guard that is not there."""
    return Refused(about=type(message).__name__, reason="a technician's test holds the outputs")


def keep_checking(
    plan: Plan, devices: Devices, *, link: Link, talk: Talk, order: Mapping[str, Any], stop: StopRequest
) -> bool:
    """Step through every check; return whether all were done."""
    told: tuple[str, str] = ("", "")
    runner = Runner(
        [(each, devices.channels[each.evse_id, each.connector_id or 1]) for each in fitted_of(plan, order)],
        left_out=frozenset(Check(each) for each in order["left_out"]),
        found=talk.tell_finding,
    )
    due_s = time.monotonic()
    while not (stop.asked or talk.ended):
        now_s = time.monotonic()
        devices.beat(now_s, healthy=now_s - due_s < LATE_S)
        due_s = max(due_s, now_s)
        if runner.step(now_s):
            return True
        said, asked = told
        told = (runner.saying, runner.question)
        if runner.saying and runner.saying != said:
            talk.tell({"say": runner.saying})
        if runner.question and runner.question != asked:
            talk.tell({"ask": runner.question})
        for line in talk.lines():
            runner.answer(line.get("answer"))
        due_s += plan.scan_s
        link.wait(due_s)
    return False


def fitted_of(plan: Plan, order: Mapping[str, Any]) -> list[Fitted]:
    """Return what there is to test on the EVSEs that are asked for."""
    kept = LatchFile(plan.state_dir).read(plan.channels)
    asked = order.get("evses") or plan.evse_ids
    says = {"mains": Mains(order["mains"]), "mains_why": order.get("mains_why", "")}
    found: list[Fitted] = []
    for own in plan.evses:
        if own.evse_id in asked:
            found.append(
                fitted(own, plan, latched=_latched(kept, (own.evse_id, own.connector_id)), first=not found, **says)
            )
    for bought in plan.controlled:
        if bought.evse_id in asked:
            found.append(
                fitted_controlled(bought, plan, latched=_latched(kept, (bought.evse_id, 1)), first=not found, **says)
            )
    return found


def _latched(kept: Latched, channel: Channel) -> tuple[str, ...]:
    named = (("contactor_welded", kept.welded), ("contactor_stuck_open", kept.failed_to_close))
    return tuple(name for name, ids in named if channel in ids)


class Talk:
    """The two pipes to whoever asked. Never waits for a reader that does not read."""

    def __init__(self) -> None:
        """Use standard input and output."""
        self._in, self._out = 0, 1
        self._left = b""
        self._unsent = b""
        self.ended = False
        os.set_blocking(self._out, False)

    def first_line(self, stop: StopRequest) -> dict[str, Any] | None:
        """Wait for the order; ``None``: nobody orders anything."""
        while not (stop.asked or self.ended):
            select.select([self._in], [], [], 0.2)
            for line in self.lines():
                return line
        return None

    def lines(self) -> list[dict[str, Any]]:
        """Return what came since the last call, without waiting."""
        self._flush()
        if self.ended or not select.select([self._in], [], [], 0.0)[0]:
            return []
        read = os.read(self._in, READ_B)
        self.ended = not read
        *whole, self._left = (self._left + read).split(b"\n")
        return [content for content in map(json.loads, whole) if isinstance(content, dict)]

    def tell_finding(self, finding: Finding) -> None:
        """Say what was found."""
        self.tell({"found": as_content(finding)})

    def tell(self, content: Mapping[str, Any]) -> None:
        """Say something, now or as soon as it is read."""
        self._unsent += json.dumps(content).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._out, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.ended = True  # nobody reads any more


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
