"""One card, one text: how the bytes of an id become what the CSMS is told. Pure.

Readers turn ids round, drop leading zeros or print small letters; two stations with different readers must still
tell the CSMS the same of one card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from drivers.api import Option

SHORTEST_B: Final = 2
LONGEST_B: Final = 10  # an ISO 14443 UID of triple size; 20 digits, the most that OCPP 1.6 can carry (CiString20)
RANDOM_FIRST: Final = 0x08  # ISO/IEC 14443-3: a single-size UID that begins with 08 is made anew each time
CASCADE_FIRST: Final = 0x88  # ISO/IEC 14443-3: the cascade tag, never the first byte of a UID


class UidForm(NamedTuple):
    """How ids are written.

    Attributes:
        reverse: the reader gives the least significant byte first.
        pad_bytes: shorter ids get leading zero bytes up to here; 0: as they are.
        lower: small letters instead of capitals.
    """

    reverse: bool = False
    pad_bytes: int = 0
    lower: bool = False

    def text(self, uid: bytes) -> str | None:
        """Return the id as hexadecimal text; ``None`` for what is no id (too short, too long, all zeros or ones)."""
        if not SHORTEST_B <= len(uid) <= LONGEST_B or uid.count(0) == len(uid) or uid.count(0xFF) == len(uid):
            return None
        ordered = uid[::-1] if self.reverse else uid
        digits = ordered.rjust(self.pad_bytes, b"\0").hex()
        return digits if self.lower else digits.upper()


def is_random(uid: bytes) -> bool:
    """Return whether the card invents its id anew each time (telephones, passports): it names nobody."""
    return len(uid) == 4 and uid[0] == RANDOM_FIRST


FORM_OPTIONS: Final = (
    Option(name="reverse", type=bool, default=False, help="turn the bytes of each id round"),
    Option(
        name="pad_bytes",
        type=int,
        default=0,
        unit="bytes",
        minimum=0,
        maximum=LONGEST_B,
        help="fill shorter ids with leading zeros up to this length; 0: leave them",
    ),
    Option(name="case", type=str, default="upper", choices=("upper", "lower"), help="letters of the id"),
)


def form_of(options: Mapping[str, Any]) -> UidForm:
    """Return the form that checked options name."""
    return UidForm(
        reverse=bool(options.get("reverse", False)),
        pad_bytes=int(options.get("pad_bytes", 0)),
        lower=options.get("case") == "lower",
    )
