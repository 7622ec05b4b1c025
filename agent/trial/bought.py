"""The checks of an EVSE with a bought controller: what it reports, while it is asked for no current. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent.trial.findings import Check, Finding, Verdict, judged
from agent.trial.fitted import Fitted
from agent.trial.sights import SAFE, Course, Seen, hold
from drivers.api.controllers import ControllerReading, VehicleState

ANSWER_S: Final = 12.0  # a serial port that opens, a TCP connection and the first poll; house rule
WATCH_S: Final = 2.0
HOT_C: Final = 70.0  # house rule: a station at rest


def controller(evse: Fitted, seen: Seen) -> Course:
    """Wait for the controller's word, and hold it against "no vehicle, no offer, open"."""
    until_s = seen.now_s + ANSWER_S
    while seen.reading is None and seen.now_s < until_s:
        seen = yield replace(SAFE, say="the controller's first answer")
    if seen.reading is None:
        return [
            _finding(
                evse, "controller", Verdict.FAILED, text=f"SILENT: {seen.trouble or 'no answer'}",
                hint="supply, wires A and B, address, baud; charge-agent check --hardware",
            )
        ]  # fmt: skip
    seen = yield from hold(replace(SAFE, say="the controller at rest"), seen, WATCH_S)
    reading = seen.reading
    assert reading is not None  # it never becomes unknown again
    found = [_finding(evse, "controller", Verdict.PASSED, value=reading.firmware or "answers")]
    if seen.trouble is not None:
        found[0] = _finding(evse, "controller", Verdict.FAILED, value=reading.firmware, text=seen.trouble)
    return [*found, *_reported(evse, reading)]


def _reported(evse: Fitted, reading: ControllerReading) -> list[Finding]:
    found = [_vehicle(evse, reading.vehicle)]
    if reading.offer_a is not None:
        offer = judged(Check.CONTROLLER, evse.evse_id, "offer at rest", reading.offer_a, unit="A", high=0.0, digits=1)
        found.append(replace(offer, hint="" if offer.verdict is Verdict.PASSED else "it does not take our orders"))
    if reading.contactor_closed is not None:
        closed = reading.contactor_closed
        found.append(
            _finding(
                evse, "contactor, as the controller says", Verdict.FAILED if closed else Verdict.PASSED,
                value="closed" if closed else "open", hint="WELDED or wrongly wired feedback" if closed else "",
            )
        )  # fmt: skip
    if reading.temperature_c is not None:
        value_c = reading.temperature_c
        found.append(
            judged(Check.CONTROLLER, evse.evse_id, "controller's temperature", value_c, unit="degC", high=HOT_C)
        )
    faults = (_finding(evse, "controller's fault", Verdict.FAILED, value=fault.value) for fault in reading.faults)
    return [*found, *faults]


def _vehicle(evse: Fitted, vehicle: VehicleState | None) -> Finding:
    what = "pilot, as the controller says"
    if vehicle is VehicleState.A:
        return _finding(evse, what, Verdict.PASSED, value="A")
    if vehicle in (VehicleState.B, VehicleState.C, VehicleState.D):
        text = "a vehicle or a test adapter is plugged in"
        return _finding(evse, what, Verdict.NOT_TESTED, value=vehicle.value, text=text, hint="unplug it and test again")
    value = None if vehicle is None else vehicle.value
    return _finding(
        evse, what, Verdict.FAILED, value=value, text="it does not see a free pilot",
        hint="a short circuit between pilot and earth; the controller's own display",
    )  # fmt: skip


def _finding(
    evse: Fitted, what: str, verdict: Verdict, *, value: str | None = None, text: str = "", hint: str = ""
) -> Finding:
    return Finding(
        check=Check.CONTROLLER, evse_id=evse.evse_id, what=what, verdict=verdict, value=value, text=text, hint=hint
    )
