"""The checks of an EVSE whose pilot and contactor are ours. Pure: sights in, wishes out, findings at the end.

None of them decides whether a coil may be driven: that is the holder's rule (``rules``), whatever a check wishes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from agent.guard.inputs import InputRole
from agent.guard.offer import STEADY_LOW
from agent.guard.pilot import cable_rating, duty_for_current
from agent.guard.rcd_test import TESTED_ROLES, RcdTest
from agent.guard.timings import FEEDBACK_S
from agent.guard.wire import SelfTest
from agent.trial.findings import Check, Finding, Verdict, judged
from agent.trial.fitted import Fitted, Mains
from agent.trial.people_courses import told
from agent.trial.sights import SAFE, Course, Seen, Wish, ask, hold, until
from drivers.api import PilotMode, PilotSignal

HIGH_V: Final = (11.4, 12.6)  # the generator without a load. IEC 61851-1:2017 Annex A, 12 V +- 5 % (unverified)
LOW_V: Final = (-12.6, -11.4)  # likewise, its negative side
SETTLE_S: Final = 0.3  # until a changed pilot is measured; house rule
PWM_A: Final = 16.0  # a duty cycle in the middle of the range
VEHICLE_V: Final = (2.0, 10.5)  # something loads the pilot as a vehicle does, states B to D
CLOSED_S: Final = 0.5  # how long the contactor stays closed; house rule
TEMPERATURE_WAIT_S: Final = 5.0
OPEN_OHM: Final = 4000.0  # more is no cable; the greatest coding is 1.5 kohm. IEC 61851-1:2017 table B.2
COLDEST_C: Final = -30.0  # a working station; IEC 61851-1:2017 §11.11 asks for -25 degC outdoors (unverified)


def latch(evse: Fitted, seen: Seen) -> Course:
    """Tell what an earlier run of the guard has latched."""
    yield SAFE
    if not evse.latched:
        return []
    return [
        Finding(
            check=Check.LATCH,
            evse_id=evse.evse_id,
            what="latched faults",
            verdict=Verdict.FAILED,
            value=", ".join(evse.latched),
            text="an earlier run of the guard has latched this: it will not charge",
            hint="find the cause; then clear it: docs/technician.md, a welded contactor",
        )
    ]


def pilot(evse: Fitted, seen: Seen) -> Course:
    """Measure the free generator: constant +12 V (state A), a duty cycle, constant -12 V (state F)."""
    found = []
    seen = yield from hold(replace(SAFE, say="pilot at +12 V"), seen, SETTLE_S)
    if seen.high_v is not None and VEHICLE_V[0] < seen.high_v < VEHICLE_V[1]:
        return [_occupied(evse, Check.PILOT, "pilot", seen)]
    free = judged(Check.PILOT, evse.evse_id, "pilot, state A", seen.high_v, unit="V", low=HIGH_V[0], high=HIGH_V[1])
    if free.verdict is Verdict.FAILED:
        text = seen.problems.get("pilot") or _pilot_text(seen.high_v)
        return [replace(free, text=text, hint=_pilot_hint(seen.high_v))]
    found.append(free)
    duty = PilotSignal(mode=PilotMode.PWM, duty_pct=duty_for_current(PWM_A))
    seen = yield from hold(replace(SAFE, signal=duty, say="pilot with a duty cycle"), seen, SETTLE_S)
    what, hint = "pilot with PWM", "the generator: its PWM input, its supply"
    for side, value, (low, high) in (("positive", seen.high_v, HIGH_V), ("negative", seen.low_v, LOW_V)):
        found.append(
            judged(Check.PILOT, evse.evse_id, f"{what}, {side}", value, unit="V", low=low, high=high, hint=hint)
        )
    seen = yield from hold(replace(SAFE, signal=STEADY_LOW, say="pilot at -12 V"), seen, SETTLE_S)
    found.append(
        judged(
            Check.PILOT,
            evse.evse_id,
            "pilot, state F",
            seen.high_v,
            unit="V",
            low=LOW_V[0],
            high=LOW_V[1],
            hint="the generator's negative supply; whether duty 0 gives -12 V on this board",
        )
    )
    yield from hold(SAFE, seen, SETTLE_S)
    return found


def proximity(evse: Fitted, seen: Seen) -> Course:
    """Read the cable coding contact: open without a cable, or a cable's coding."""
    if evse.tethered:
        return []
    seen = yield from hold(replace(SAFE, say="proximity contact"), seen, SETTLE_S)
    ohm = seen.proximity_ohm
    rating_a = cable_rating(ohm)
    what = "proximity contact"
    if ohm is None or (rating_a is None and ohm < OPEN_OHM):
        return [
            Finding(
                check=Check.PROXIMITY,
                evse_id=evse.evse_id,
                what=what,
                verdict=Verdict.FAILED,
                value=None if ohm is None else round(ohm, 1),
                unit="ohm",
                low=OPEN_OHM,
                text="no value" if ohm is None else "neither open nor a cable's coding",
                hint="the proximity wire, its pull-up resistor and the ADC's channel",
            )
        ]
    value = "open" if rating_a is None else round(ohm, 1)
    text = "no cable" if rating_a is None else f"a cable for {rating_a:g} A"
    return [
        Finding(
            check=Check.PROXIMITY,
            evse_id=evse.evse_id,
            what=what,
            verdict=Verdict.PASSED,
            value=value,
            unit="" if rating_a is None else "ohm",
            text=text,
        )
    ]


def temperature(evse: Fitted, seen: Seen) -> Course:
    """Read every sensor; each runs on a thread of its own and may take a moment."""
    if not evse.temperatures:
        return []
    waiting = replace(SAFE, say="temperatures")
    seen = yield from until(waiting, seen, lambda now: None not in now.temperature_c, TEMPERATURE_WAIT_S)
    return [
        judged(
            Check.TEMPERATURE,
            evse.evse_id,
            f"temperature {sensor.name}",
            value_c,
            unit="degC",
            low=COLDEST_C,
            high=sensor.reduce_c,
            digits=1,
            hint="the sensor and its wires; below reduce_c nothing is reduced",
        )
        for sensor, value_c in zip(evse.temperatures, seen.temperature_c, strict=True)
    ]


def lock(evse: Fitted, seen: Seen) -> Course:
    """Lock, unlock, and leave it as the guard starts: locked where a level holds it."""
    settings = evse.lock
    if settings is None:
        return []
    found = []
    for locks in (True, False):
        word = "locked" if locks else "unlocked"
        say = f"lock: {'locking' if locks else 'unlocking'}"
        began_s = seen.now_s
        if settings.pulsed:
            drive = Wish(lock=locks, unlock=not locks, say=say)
            seen = yield from hold(drive, seen, settings.pulse_s)
            rest = Wish(lock=False, unlock=False, say=say)
        else:
            rest = Wish(lock=locks, say=say)
        if not evse.has_lock_feedback:
            seen = yield from hold(rest, seen, settings.break_s)
            sure = yield from ask(rest, seen, f"Did the lock of {evse.name} move to {word}?")
            found.append(told(Check.LOCK, evse, f"lock, {word}", sure, "the lock's motor, its line and its supply"))
            continue
        seen = yield from until(rest, seen, _is_locked if locks else _is_unlocked, settings.failed_s)
        took_s = seen.now_s - began_s
        right = seen.locked is locks
        found.append(
            Finding(
                check=Check.LOCK,
                evse_id=evse.evse_id,
                what=f"lock, {word}",
                verdict=Verdict.PASSED if right else Verdict.FAILED,
                value=round(took_s, 2) if right else None,
                unit="s",
                high=settings.failed_s,
                text="" if right else seen.problems.get("lock") or _lock_text(seen.locked, word, settings.failed_s),
                hint="" if right else "mechanics, motor, polarity of the lines, the feedback switch",
            )
        )
        seen = yield from hold(rest, seen, settings.break_s)
    if not settings.pulsed:
        yield from hold(Wish(lock=True), seen, evse.scan_s)
    return found


def self_test(evse: Fitted, seen: Seen) -> Course:
    """Run the residual current sensor's self-test as the guard does."""
    settings = evse.rcd_test
    if settings is None:
        return []
    names = [each.name for each in evse.inputs]
    roles = [role for role in TESTED_ROLES if role.value in names]
    test = RcdTest(replace(settings, before_session=False), [InputRole(role.value) for role in roles])
    most_s = seen.now_s + settings.trip_s + settings.second_trip_s + settings.pulse_s + 2 * settings.release_s + 1.0
    began_s = seen.now_s
    while test.result is SelfTest.DUE and seen.now_s < most_s:
        test.step([seen.levels.get(role.value) for role in roles], may_run=True, vehicle=False, now_s=seen.now_s)
        seen = yield replace(SAFE, rcd_test=test.drive, say="self-test of the residual current sensor")
    passed = test.result is SelfTest.PASSED
    why = test.why or "it could not begin: an output of the sensor is active or has no value"
    return [
        Finding(
            check=Check.SELF_TEST,
            evse_id=evse.evse_id,
            what="residual current sensor's self-test",
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            value=round(seen.now_s - began_s, 2) if passed else None,
            unit="s",
            text="" if passed else seen.problems.get("rcd_test", why),
            hint="" if passed else "the sensor's supply, its test line and its outputs",
        )
    ]


def contactor(evse: Fitted, seen: Seen) -> Course:
    """Close and open the contactor, and see it in its feedback."""
    what = "contactor"
    if evse.has_mirror:
        seen = yield from hold(replace(SAFE, say="contactor at rest"), seen, FEEDBACK_S)
        if seen.main_closed is not False:
            return [_not_open(evse, what, seen.main_closed, "coil off")]
    if evse.mains is Mains.UNCONFIRMED:
        text = evse.mains_why or "nobody has confirmed that the mains are off"
        hint = "switch the mains off and say --mains-off, or say --mains-on"
        return [_finding(evse, what, Verdict.NOT_TESTED, text=text, hint=hint)]
    if seen.high_v is not None and VEHICLE_V[0] < seen.high_v < VEHICLE_V[1]:
        return [_occupied(evse, Check.CONTACTOR, what, seen)]
    found = yield from _toggle(evse, what, Wish(coil=True, say="contactor: closing"), seen, _main, evse.has_mirror)
    if evse.has_phase_contactor:
        wish = Wish(phase_coil=True, say="second contactor: closing")
        found += yield from _toggle(evse, "second contactor", wish, seen, _phases, evse.has_phase_mirror)
    return found


def _toggle(
    evse: Fitted, what: str, closing: Wish, seen: Seen, closed: Callable[[Seen], bool | None], has_feedback: bool
) -> Course:
    opening = replace(SAFE, say=closing.say.replace("closing", "opening"))
    if not has_feedback:
        seen = yield from hold(closing, seen, CLOSED_S)
        seen = yield from hold(opening, seen, CLOSED_S)
        sure = yield from ask(opening, seen, f"Did you hear the {what} of {evse.name} close and open?")
        return [told(Check.CONTACTOR, evse, what, sure, "coil, its fuse, its line")]
    began_s = seen.now_s
    seen = yield from until(closing, seen, lambda now: closed(now) is True, FEEDBACK_S)
    if closed(seen) is not True:
        problem = _trouble(seen, closing) or "its feedback did not follow"
        hint = "stuck open: the coil, its fuse, its supply (the enable of the heartbeat), the feedback's wire"
        yield from hold(opening, seen, FEEDBACK_S)
        return [_finding(evse, f"{what}, closing", Verdict.FAILED, text=problem, hint=hint, high=FEEDBACK_S * 1000)]
    took_ms = (seen.now_s - began_s) * 1000
    found = [judged(Check.CONTACTOR, evse.evse_id, f"{what}, closing", took_ms, unit="ms", high=250.0, digits=0)]
    seen = yield from hold(closing, seen, CLOSED_S)
    if closed(seen) is not True:
        text = _trouble(seen, closing) or "it let go while its coil was driven"
        found.append(_finding(evse, f"{what}, holding", Verdict.FAILED, text=text, hint="the coil's supply"))
    began_s = seen.now_s
    seen = yield from until(opening, seen, lambda now: closed(now) is False, FEEDBACK_S)
    if closed(seen) is not False:
        return [*found, _not_open(evse, f"{what}, opening", closed(seen), "the coil was switched off")]
    took_ms = (seen.now_s - began_s) * 1000
    found.append(judged(Check.CONTACTOR, evse.evse_id, f"{what}, opening", took_ms, unit="ms", high=250.0, digits=0))
    return found


def _trouble(seen: Seen, closing: Wish) -> str:
    return seen.problems.get("contactor" if closing.coil else "phases", "")


def _is_locked(seen: Seen) -> bool:
    return seen.locked is True


def _is_unlocked(seen: Seen) -> bool:
    return seen.locked is False


def _main(seen: Seen) -> bool | None:
    return seen.main_closed


def _phases(seen: Seen) -> bool | None:
    return seen.phases_closed


def _finding(
    evse: Fitted, what: str, verdict: Verdict, *, text: str, hint: str = "", high: float | None = None
) -> Finding:
    unit = "" if high is None else "ms"
    return Finding(
        check=Check.CONTACTOR, evse_id=evse.evse_id, what=what, verdict=verdict, text=text, hint=hint, high=high,
        unit=unit,
    )  # fmt: skip


def _not_open(evse: Fitted, what: str, closed: bool | None, when: str) -> Finding:
    text = f"WELDED: its feedback says closed, {when}" if closed else f"no value of its feedback, {when}"
    hint = "make the station dead, replace the contactor" if closed else "the feedback's wire and line"
    return _finding(evse, what, Verdict.FAILED, text=text, hint=hint)


def _occupied(evse: Fitted, check: Check, what: str, seen: Seen) -> Finding:
    return Finding(
        check=check,
        evse_id=evse.evse_id,
        what=what,
        verdict=Verdict.NOT_TESTED,
        value=None if seen.high_v is None else round(seen.high_v, 2),
        unit="V",
        text="a vehicle or a test adapter is plugged in",
        hint="unplug it and test again",
    )


def _pilot_text(high_v: float | None) -> str:
    if high_v is None:
        return "no value"
    return "no voltage: a short to earth, or no supply" if abs(high_v) <= VEHICLE_V[0] else "no level of a free pilot"


def _pilot_hint(high_v: float | None) -> str:
    if high_v is not None and abs(high_v) <= VEHICLE_V[0]:
        return "a short circuit between pilot and earth; the generator's supply"
    return "the generator's supply; scale and offset of the ADC; the resistor of 1 kohm"


def _lock_text(locked: bool | None, word: str, within_s: float) -> str:
    said = {None: "nothing", True: "locked", False: "unlocked"}[locked]
    return f"JAMMED: not {word} within {within_s:g} s, its switch says {said}"
