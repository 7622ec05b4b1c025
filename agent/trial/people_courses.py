"""The checks that need a person: what is pressed, lit and heard. Pure: sights in, wishes out, findings at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent.trial.findings import Check, Finding, Verdict
from agent.trial.fitted import Fitted
from agent.trial.sights import SAFE, Course, Pressing, Seen, ask, hold, until

SETTLE_S: Final = 0.3  # until a changed output shows; house rule
SOUND_S: Final = 0.5  # how long a buzzer sounds; house rule
PRESS_S: Final = 30.0  # how long a person has to press something; house rule
_POLARITY: Final = "active_high and pull of the line, or what it watches"
_ACTIVE: Final = {
    "rcd": "tripped",
    "rcm": "tripped",
    "emergency_stop": "pressed",
    "ground": "no protective earth",
    "door": "open",
    "tilt": "the station leans",
}
_PRESS: Final = {"emergency_stop": "Press the emergency stop and release it", "door": "Open the door and shut it"}


def inputs(evse: Fitted, seen: Seen) -> Course:
    """Look at every input at rest, and let a person press what can be pressed."""
    found = []
    seen = yield from hold(replace(SAFE, say="inputs"), seen, SETTLE_S)
    for each in evse.inputs:
        level = seen.levels.get(each.name)
        evse_id = None if each.name.startswith("station ") else evse.evse_id
        role = each.name.removeprefix("station ")
        finding = Finding(
            check=Check.INPUTS,
            evse_id=evse_id,
            what=role.replace("_", " "),
            verdict=Verdict.PASSED,
            value="at rest",
        )
        if level is None:
            finding = replace(
                finding, verdict=Verdict.FAILED, value=None, text="no value", hint="the line's name; the board"
            )
        elif level:
            finding = replace(finding, verdict=Verdict.FAILED, value="active", text=_ACTIVE[role], hint=_POLARITY)
        elif each.pressable:
            seen, finding = yield from _pressed(finding, each.name, seen)
        found.append(finding)
    return found


def _pressed(finding: Finding, name: str, seen: Seen) -> Pressing:
    question = f"{_PRESS[name.removeprefix('station ')]} within {PRESS_S:.0f} s. Ready?"
    ready = yield from ask(SAFE, seen, question)
    if ready is not True:
        return seen, replace(finding, verdict=Verdict.NOT_CONFIRMED, text="at rest; nobody made it active")
    waiting = replace(SAFE, say=f"waiting for {finding.what} to become active")
    seen = yield from until(waiting, seen, lambda now: now.levels.get(name) is True, PRESS_S)
    if seen.levels.get(name) is not True:
        text = f"did not become active within {PRESS_S:.0f} s"
        return seen, replace(finding, verdict=Verdict.FAILED, text=text, hint="the contact, its wires; debounce_ms")
    waiting = replace(SAFE, say=f"{finding.what} seen; waiting for its release")
    seen = yield from until(waiting, seen, lambda now: now.levels.get(name) is False, PRESS_S)
    released = seen.levels.get(name) is False
    return seen, replace(
        finding,
        verdict=Verdict.PASSED if released else Verdict.FAILED,
        value="acts" if released else "active",
        text="became active and was released" if released else f"not released within {PRESS_S:.0f} s",
    )


def light(evse: Fitted, seen: Seen) -> Course:
    """Light each line of the status light and ask."""
    found = []
    for name in evse.lights:
        colour = "" if name == "light" else f" {name}"
        wish = replace(SAFE, light=name, say=f"status light{colour}")
        seen = yield from hold(wish, seen, SETTLE_S)
        problem = seen.problems.get("light", "")
        if problem:
            found.append(_undriven(Check.LIGHT, evse, f"status light{colour}", problem))
            continue
        sure = yield from ask(wish, seen, f"Is the status light of {evse.name} lit{colour}?")
        found.append(told(Check.LIGHT, evse, f"status light{colour}", sure, "the line, its polarity, its resistor"))
    return found


def buzzer(evse: Fitted, seen: Seen) -> Course:
    """Sound the buzzer and ask."""
    if not evse.has_buzzer:
        return []
    seen = yield from hold(replace(SAFE, sound=True, say="buzzer"), seen, SOUND_S)
    if "buzzer" in seen.problems:
        return [_undriven(Check.BUZZER, evse, "buzzer", seen.problems["buzzer"])]
    sure = yield from ask(SAFE, seen, f"Did the buzzer of {evse.name} sound?")
    return [told(Check.BUZZER, evse, "buzzer", sure, "the line, its polarity; an active buzzer, not a loudspeaker")]


def button(evse: Fitted, seen: Seen) -> Course:
    """See the button at rest, and pressed where a person does it."""
    if not evse.has_button:
        return []
    seen = yield from hold(replace(SAFE, say="button"), seen, SETTLE_S)
    finding = Finding(check=Check.BUTTON, evse_id=evse.evse_id, what="button", verdict=Verdict.PASSED, value="at rest")
    if seen.pressed is not False:
        text = "no value" if seen.pressed is None else "it is pressed, or its polarity is wrong"
        return [replace(finding, verdict=Verdict.FAILED, value=None, text=text, hint="the line, active_high, pull")]
    ready = yield from ask(SAFE, seen, f"Press the button of {evse.name} within {PRESS_S:.0f} s. Ready?")
    if ready is not True:
        return [replace(finding, verdict=Verdict.NOT_CONFIRMED, text="at rest; nobody pressed it")]
    waiting = replace(SAFE, say="waiting for the button")
    seen = yield from until(waiting, seen, lambda now: now.pressed is True, PRESS_S)
    if seen.pressed is not True:
        return [replace(finding, verdict=Verdict.FAILED, text=f"not seen within {PRESS_S:.0f} s")]
    return [replace(finding, value="acts")]


def told(check: Check, evse: Fitted, what: str, sure: bool | None, hint: str) -> Finding:
    """Return the finding of something driven that only a person can confirm: seen, not seen, nobody said."""
    verdict = {True: Verdict.PASSED, False: Verdict.FAILED, None: Verdict.NOT_CONFIRMED}[sure]
    text = {True: "seen by the technician", False: "the technician says no", None: "driven; nobody confirmed it"}[sure]
    return Finding(
        check=check, evse_id=evse.evse_id, what=what, verdict=verdict, text=text, hint=hint if sure is False else ""
    )


def _undriven(check: Check, evse: Fitted, what: str, problem: str) -> Finding:
    return Finding(
        check=check,
        evse_id=evse.evse_id,
        what=what,
        verdict=Verdict.FAILED,
        text=problem,
        hint="the line's name; charge-agent check --hardware",
    )
