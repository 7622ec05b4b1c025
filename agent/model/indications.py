"""What people at the station see and hear: neutral states and events, and the patterns in which they are shown.

The words of colours, rhythms and beeps are those of the guard's messages, which a test holds together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import msgspec


class ShownState(Enum):
    """What a status light tells of an EVSE; the first that is true, in this order, wins (``no_agent`` apart)."""

    FAULTED = "faulted"  # a fault that forbids charging
    CHARGING = "charging"
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    UPDATE = "update"  # the software is being replaced
    UNAVAILABLE = "unavailable"
    FINISHING = "finishing"  # the charge is over, the cable is still in
    AUTHORIZING = "authorizing"  # the CSMS is being asked about a card
    AUTHORIZED = "authorized"  # somebody may charge, the cable is missing
    PREPARING = "preparing"  # cable in, nobody authorised; or a start waits for something
    RESERVED = "reserved"
    OFFLINE = "offline"  # available, and the CSMS cannot be reached
    AVAILABLE = "available"
    BOOTING = "booting"  # the guard runs, the agent has not come yet
    NO_AGENT = "no_agent"  # the agent has gone: nothing new can begin


class Sound(Enum):
    """What a buzzer tells."""

    ACCEPTED = "accepted"  # a card, or a press of the button, may charge
    REFUSED = "refused"  # a card, or a press of the button, does nothing
    STARTED = "started"  # a charge has begun
    STOPPED = "stopped"  # a charge was stopped
    FAULT = "fault"  # a fault that forbids charging has come


COLOURS: Final = ("red", "green", "blue", "yellow", "cyan", "magenta", "white")
RHYTHMS: Final = ("on", "slow", "fast", "pulse", "double")
BEEPS: Final = ("short", "long")
BEEPS_MAX: Final = 8
USUAL_PATTERNS: Final[Mapping[ShownState, str]] = MappingProxyType(
    {
        ShownState.AVAILABLE: "green pulse",
        ShownState.PREPARING: "yellow slow",
        ShownState.AUTHORIZING: "cyan double",
        ShownState.AUTHORIZED: "green slow",
        ShownState.CHARGING: "blue",
        ShownState.SUSPENDED_EV: "blue slow",
        ShownState.SUSPENDED_EVSE: "cyan slow",
        ShownState.FINISHING: "green slow",
        ShownState.RESERVED: "magenta pulse",
        ShownState.UNAVAILABLE: "red pulse",
        ShownState.FAULTED: "red fast",
        ShownState.OFFLINE: "yellow pulse",
        ShownState.BOOTING: "white slow",
        ShownState.UPDATE: "magenta double",
        ShownState.NO_AGENT: "red double",
    }
)
USUAL_SOUNDS: Final[Mapping[Sound, str]] = MappingProxyType(
    {
        Sound.ACCEPTED: "short",
        Sound.REFUSED: "long long",
        Sound.STARTED: "short short",
        Sound.STOPPED: "long",
        Sound.FAULT: "short short short",
    }
)


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A colour and a rhythm; ``rhythm`` "off" is dark."""

    colour: str = "white"
    rhythm: str = "off"


class Indicators(msgspec.Struct, frozen=True, kw_only=True):
    """The map of a station: every state and every event has its entry."""

    patterns: Mapping[ShownState, Pattern]
    sounds: Mapping[Sound, tuple[str, ...]]


def parse_pattern(text: str) -> Pattern:
    """Return the pattern in ``text``: ``"off"``, ``"green"``, ``"blue slow"``.

    Raises:
        ValueError: what is wrong, with the value and what was expected.
    """
    words = text.split()
    if words == ["off"]:
        return Pattern()
    if not 1 <= len(words) <= 2:
        raise ValueError(f'{text!r} is no pattern, expected a colour and a rhythm ("blue slow"), or off')
    if words[0] not in COLOURS:
        raise ValueError(f"{text!r} has the colour {words[0]!r}, expected one of {', '.join(COLOURS)}")
    if words[-1] not in RHYTHMS and len(words) > 1:
        raise ValueError(f"{text!r} has the rhythm {words[1]!r}, expected one of {', '.join(RHYTHMS)}")
    return Pattern(colour=words[0], rhythm=words[1] if len(words) > 1 else "on")


def parse_beeps(text: str) -> tuple[str, ...]:
    """Return the beeps in ``text``: ``"none"``, ``"short long"``. Raises ``ValueError``."""
    words = tuple(text.split())
    if words == ("none",):
        return ()
    wrong = next((word for word in words if word not in BEEPS), None)
    if wrong is not None or not words:
        raise ValueError(f"{text!r} are no beeps, expected none, or words out of {', '.join(BEEPS)}")
    if len(words) > BEEPS_MAX:
        raise ValueError(f"{text!r} are {len(words)} beeps, expected at most {BEEPS_MAX}")
    return words


def usual_indicators() -> Indicators:
    """Return the map of a station whose file says nothing."""
    return Indicators(
        patterns={state: parse_pattern(text) for state, text in USUAL_PATTERNS.items()},
        sounds={sound: parse_beeps(text) for sound, text in USUAL_SOUNDS.items()},
    )
