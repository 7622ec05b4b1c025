"""What a check sees and what it wishes: values between the checks (pure) and the devices."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from agent.guard.offer import STEADY_HIGH, STEADY_LOW
from agent.trial.findings import Finding
from drivers.api import PilotSignal
from drivers.api.controllers import ControllerReading

DARK: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the devices of one EVSE show now. ``None`` is unknown.

    Attributes:
        now_s: monotonic time.
        high_v, low_v, proximity_ohm: of the newest measurement, unknown when it is too old; ``taken_s`` its moment.
        main_closed, phases_closed: by the feedback; ``locked``: by the lock's switch.
        levels: of every input that there is, active or not, by role ("door"), the station's own as "station door".
        temperature_c: of every sensor.
        pressed: the button.
        problems: what failed in writing since the last look, or was refused, by output ("contactor", "light"), and
            what failed in reading the pilot.
        answer: of the person, to the question that was asked: yes, no or ``None`` (not answered yet).
        unanswered: nobody will answer.
        reading: of a bought controller; ``trouble``: why it cannot be reached.
    """

    now_s: float
    high_v: float | None = None
    low_v: float | None = None
    proximity_ohm: float | None = None
    taken_s: float | None = None
    main_closed: bool | None = None
    phases_closed: bool | None = None
    locked: bool | None = None
    levels: Mapping[str, bool | None]
    temperature_c: tuple[float | None, ...] = ()
    pressed: bool | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    answer: bool | None = None
    unanswered: bool = False
    reading: ControllerReading | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the outputs of one EVSE shall be. The default is what is safe.

    Attributes:
        lock: the lock's line, ``unlock`` the second line of a pulsed one; ``None``: as it is.
        light: name of the status light's line that shall be lit, empty for none. sound: the buzzer.
        ask: a question to the person, asked once as long as it stays the same; ``Seen.answer`` brings the answer.
        say: what is being done, for people.
    """

    coil: bool = False
    phase_coil: bool = False
    signal: PilotSignal = STEADY_HIGH
    lock: bool | None = None
    unlock: bool | None = None
    rcd_test: bool = False
    light: str = DARK
    sound: bool = False
    ask: str = ""
    say: str = ""


SAFE: Final = Wish()
SAFE_FOR_GOOD: Final = replace(SAFE, signal=STEADY_LOW)

Course = Generator[Wish, Seen, list[Finding]]
"""A check at work: yields what it wishes, is sent what is seen, returns what it found."""

Pause = Generator[Wish, Seen, Seen]
Pressing = Generator[Wish, Seen, tuple[Seen, Finding]]


def hold(wish: Wish, seen: Seen, for_s: float) -> Pause:
    """Wish for so long; return what is seen at the end."""
    until_s = seen.now_s + for_s
    while seen.now_s < until_s:
        seen = yield wish
    return seen


def ask(wish: Wish, seen: Seen, question: str) -> Generator[Wish, Seen, bool | None]:
    """Ask while wishing; return yes, no, or ``None`` where nobody answers."""
    asking = replace(wish, ask=question)
    seen = yield asking
    while seen.answer is None and not seen.unanswered:
        seen = yield asking
    return seen.answer


def until(wish: Wish, seen: Seen, claim: Callable[[Seen], bool], at_most_s: float) -> Pause:
    """Wish until ``claim`` holds or the time is over; at least once."""
    until_s = seen.now_s + at_most_s
    seen = yield wish
    while not claim(seen) and seen.now_s < until_s:
        seen = yield wish
    return seen
