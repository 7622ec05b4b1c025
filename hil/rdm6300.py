"""The frames of an RDM6300 card reader. Pure.

Source: RDM6300 data sheet: 0x02, ten hexadecimal digits, two of checksum (exclusive or of the five bytes), 0x03.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import Final

FRAME_PERIOD_S: Final = 0.065  # repeated while the card stays
UID_PATTERN: Final = re.compile(r"[0-9A-Fa-f]{10}")


def card_frame(uid: str) -> bytes:
    """Return the frame for a card of ten hexadecimal digits. Raises ``ValueError`` for anything else."""
    if UID_PATTERN.fullmatch(uid) is None:
        raise ValueError(f"card {uid!r} is not 10 hexadecimal digits")
    checksum = reduce(xor, bytes.fromhex(uid))
    return b"\x02" + uid.upper().encode() + f"{checksum:02X}".encode() + b"\x03"
