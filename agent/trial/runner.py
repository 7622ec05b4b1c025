"""Runs the checks of every EVSE and connector, one after the other, step by step.

No clock, no process: time comes as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from agent.trial import bought, courses, people_courses
from agent.trial.devices import Device
from agent.trial.findings import Check, Finding, Verdict
from agent.trial.fitted import Fitted
from agent.trial.rules import Gate
from agent.trial.sights import SAFE, Course, Seen

OWN: Final[tuple[tuple[Check, Callable[[Fitted, Seen], Course]], ...]] = (
    (Check.LATCH, courses.latch),
    (Check.INPUTS, people_courses.inputs),
    (Check.TEMPERATURE, courses.temperature),
    (Check.PILOT, courses.pilot),
    (Check.PROXIMITY, courses.proximity),
    (Check.LIGHT, people_courses.light),
    (Check.BUZZER, people_courses.buzzer),
    (Check.BUTTON, people_courses.button),
    (Check.LOCK, courses.lock),
    (Check.SELF_TEST, courses.self_test),
    (Check.CONTACTOR, courses.contactor),
)
BOUGHT: Final[tuple[tuple[Check, Callable[[Fitted, Seen], Course]], ...]] = (
    (Check.LATCH, courses.latch),
    (Check.CONTROLLER, bought.controller),
    (Check.INPUTS, people_courses.inputs),
    (Check.LIGHT, people_courses.light),
    (Check.BUZZER, people_courses.buzzer),
    (Check.BUTTON, people_courses.button),
)


class Runner:
    """The checks at work.

    Attributes:
        question: what a person is asked now, empty for nothing; ``answer`` takes the answer.
        saying: what is being done.
    """

    def __init__(
        self,
        evses: Sequence[tuple[Fitted, Device]],
        *,
        left_out: frozenset[Check],
        found: Callable[[Finding], None],
    ) -> None:
        """Begin; ``found`` is told of every finding as it comes."""
        self._found = found
        self._todo = self._courses(evses, left_out)
        self._course: Course | None = None
        self._evse: Fitted | None = None
        self._device: Device | None = None
        self._gate: Gate | None = None
        self._wish = SAFE
        self._problems: dict[str, str] = {}
        self._answer: bool | None = None
        self._unanswered = False
        self.question = ""
        self.saying = ""

    def answer(self, yes: bool | None) -> None:
        """Answer ``question``; ``None``: nobody will."""
        self._answer, self._unanswered = yes, yes is None

    def step(self, now_s: float) -> bool:
        """Look, think, write; return whether everything is done."""
        if self._course is None and not self._next():
            return True
        assert self._device is not None
        assert self._gate is not None
        seen = replace(self._device.see(now_s), answer=self._answer, unanswered=self._unanswered)
        if self._problems:
            seen = replace(seen, problems={**seen.problems, **self._problems})
        self._advance(seen)
        wish, refused = self._gate.let_through(self._wish, seen)
        self._problems = self._device.drive(wish)
        if refused:
            self._problems |= {"contactor": refused, "phases": refused}
        return False

    def _next(self) -> bool:
        following = next(self._todo, None)
        if following is None:
            return False
        fitted, device, begin = following
        if self._evse is not fitted:
            self._evse, self._device, self._gate = fitted, device, Gate(fitted)
        self._course = _lazily(begin, fitted)
        next(self._course)  # it waits for its first sight
        self._problems = {}
        return True

    def _advance(self, seen: Seen) -> None:
        assert self._course is not None
        try:
            self._wish = self._course.send(seen)
        except StopIteration as end:
            for finding in end.value:
                self._found(self._placed(finding))
            self._course, self._wish = None, SAFE
        if self._wish.ask != self.question:
            self._answer, self._unanswered = None, False
        self.question, self.saying = self._wish.ask, self._wish.say

    def _placed(self, finding: Finding) -> Finding:
        """Return the finding with its connector, where the EVSE has several."""
        connector_id = None if self._evse is None else self._evse.connector_id
        return finding if finding.evse_id is None else replace(finding, connector_id=connector_id)

    def _courses(
        self, evses: Sequence[tuple[Fitted, Device]], left_out: frozenset[Check]
    ) -> Iterator[tuple[Fitted, Device, Callable[[Fitted, Seen], Course]]]:
        for fitted, device in evses:
            for check, begin in BOUGHT if fitted.controlled else OWN:
                if check not in left_out:
                    yield fitted, device, begin
                elif check is not Check.LATCH:
                    self._found(
                        Finding(
                            check=check,
                            evse_id=fitted.evse_id,
                            what=check.value,
                            verdict=Verdict.LEFT_OUT,
                            connector_id=fitted.connector_id,
                        )
                    )


def _lazily(begin: Callable[[Fitted, Seen], Course], fitted: Fitted) -> Course:
    """Start the check with the first sight that it is sent."""
    seen = yield SAFE
    return (yield from begin(fitted, seen))
