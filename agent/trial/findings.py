"""What a check found: one value, its limits, and the verdict. Standard library only, and it travels as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CONFIRMED = "not confirmed"  # driven and in order as far as can be sensed; a person did not confirm the rest
    NOT_TESTED = "not tested"  # a condition was missing: it could be tested, and was not
    LEFT_OUT = "left out"  # the technician said so


class Check(Enum):
    """The checks, in the order in which they run."""

    METER = "meter"
    LATCH = "latch"
    CONTROLLER = "controller"
    INPUTS = "inputs"
    TEMPERATURE = "temperature"
    PILOT = "pilot"
    PROXIMITY = "proximity"
    LIGHT = "light"
    BUZZER = "buzzer"
    BUTTON = "button"
    LOCK = "lock"
    SELF_TEST = "self-test"
    CONTACTOR = "contactor"
    READER = "reader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        evse_id: ``None`` for what belongs to the station as a whole. connector_id: of an EVSE with several.
        what: what was looked at, in words ("pilot without a vehicle").
        value, unit: what was measured; ``None`` where nothing was, text where it is no number.
        low, high: the limits that the value was held against; ``None``: none on this side.
        text: what it means; empty where the value says it all.
        hint: what to look at where it is not in order.
    """

    check: Check
    evse_id: int | None
    what: str
    verdict: Verdict
    value: float | str | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    text: str = ""
    hint: str = ""
    connector_id: int | None = None

    @property
    def where(self) -> str:
        """Return what it is about: "station", "EVSE 1", or "EVSE 1.2" for a connector of several."""
        if self.evse_id is None:
            return "station"
        return f"EVSE {self.evse_id}" + ("" if self.connector_id is None else f".{self.connector_id}")


def judged(
    check: Check,
    evse_id: int | None,
    what: str,
    value: float | None,
    *,
    unit: str,
    low: float | None = None,
    high: float | None = None,
    hint: str = "",
    digits: int = 2,
) -> Finding:
    """Return the finding of a value against its limits; an unknown value fails."""
    inside = value is not None and (low is None or value >= low) and (high is None or value <= high)
    return Finding(
        check=check,
        evse_id=evse_id,
        what=what,
        verdict=Verdict.PASSED if inside else Verdict.FAILED,
        value=None if value is None else round(value, digits),
        unit=unit,
        low=low,
        high=high,
        text="" if value is not None else "no value",
        hint="" if inside else hint,
    )


def as_content(finding: Finding) -> dict[str, Any]:
    """Return ``finding`` as JSON's values."""
    return asdict(finding) | {"check": finding.check.value, "verdict": finding.verdict.value}


def from_content(content: Mapping[str, Any]) -> Finding:
    """Return the finding in ``content``. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
    return Finding(**{**content, "check": Check(content["check"]), "verdict": Verdict(content["verdict"])})


def all_in_order(findings: Iterable[Finding]) -> bool:
    """Return whether everything that can be tested was, and passed; what only a person can see does not count."""
    return not any(each.verdict in (Verdict.FAILED, Verdict.NOT_TESTED) for each in findings)
