"""Card readers that print one line for each card: USB serial readers, Arduino bridges, Wiegand converters. Pure parser.

What such a reader prints is told by options: characters to drop, a prefix to expect, hexadecimal or decimal digits, a
checksum at the end, the order of the bytes. A line ends with CR, LF or ETX, or, for readers that print no end, when the
line has been silent for ``idle_ms``.

Source: manuals of Priority 1 Design WIE232 (six digits and CR), ELATEC TWN3 (":" id, two's complement sum, CR LF),
Feig-like USB CDC readers; miguelbalboa/rfid issue 316 for ids in reversed decimal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from drivers.api import DriverKind, DriverSpec, Option, OptionProblem
from drivers.rfid.conversation import NOTHING, Seen, Step
from drivers.rfid.serial_reader import SerialReader, for_reader, reader_options
from drivers.rfid.uid_form import LONGEST_B, SHORTEST_B, form_of

MOST_LINE_B: Final = 256  # longer ones are noise
_ENDS: Final = re.compile(rb"[\r\n\x03]")
_FRAMING: Final = "\x02\x03\x00"


class Encoding(Enum):
    """How digits are to be read."""

    HEX = "hex"
    DEC = "dec"


class Checksum(Enum):
    """The last byte of the digits."""

    NONE = "none"
    XOR = "xor"  # of the bytes before
    SUM2C = "sum2c"  # with the bytes before it adds up to 0, modulo 256


class LineRules(NamedTuple):
    """What a line must be to be a card.

    Attributes:
        encoding, checksum: of the digits. strip: characters that are dropped wherever they stand.
        prefix: regular expression that must match at the beginning and is cut off.
        min_bytes, max_bytes: length of the id. number_bytes: a decimal number becomes so many bytes.
    """

    encoding: Encoding = Encoding.HEX
    checksum: Checksum = Checksum.NONE
    strip: str = " :-"
    prefix: str = ""
    min_bytes: int = 4
    max_bytes: int = LONGEST_B
    number_bytes: int = 4


def uid_of_line(line: bytes, rules: LineRules) -> bytes | None:
    """Return the id that a line (without its end) tells, or ``None``: it is no card by these rules."""
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        return None
    text = text.translate({ord(each): None for each in rules.strip + _FRAMING})
    if rules.prefix:
        found = re.match(rules.prefix, text)
        if found is None:
            return None
        text = text[found.end() :]
    uid = _number(text, rules) if rules.encoding is Encoding.DEC else _digits(text)
    if uid is None or rules.checksum is Checksum.NONE:
        return _fitting(uid, rules)
    total = 0
    for byte in uid:
        total = total ^ byte if rules.checksum is Checksum.XOR else (total + byte) & 0xFF
    return _fitting(uid[:-1], rules) if total == 0 else None


def _digits(text: str) -> bytes | None:
    if len(text) % 2 or not re.fullmatch(r"[0-9A-Fa-f]+", text):
        return None
    return bytes.fromhex(text)


def _number(text: str, rules: LineRules) -> bytes | None:
    if not re.fullmatch(r"[0-9]{1,25}", text) or int(text) >= 1 << (8 * rules.number_bytes):
        return None
    return int(text).to_bytes(rules.number_bytes, "big")


def _fitting(uid: bytes | None, rules: LineRules) -> bytes | None:
    return uid if uid is not None and rules.min_bytes <= len(uid) <= rules.max_bytes else None


class Lines:
    """Collects lines and reads those that are cards. ``idle_s``: silence that ends a line; ``None``: none does."""

    def __init__(self, rules: LineRules, *, baud: int = 9600, idle_s: float | None = 0.05) -> None:
        self.baud = baud
        self._rules = rules
        self._idle_s = idle_s
        self._buffer = b""
        self._due_s: float | None = None

    def open(self, _now_s: float) -> Step:
        """Forget what the line said before."""
        self._buffer, self._due_s = b"", None
        return NOTHING

    def receive(self, received: bytes, now_s: float) -> Step:
        """Take bytes; every whole line may be a card."""
        *lines, self._buffer = _ENDS.split(self._buffer + received)
        if len(self._buffer) > MOST_LINE_B:
            self._buffer = b""
        self._due_s = now_s + self._idle_s if self._buffer and self._idle_s is not None else None
        return self._seen(lines)

    def pass_time(self, now_s: float) -> Step:
        """The line has been silent: what it said is whole."""
        if self._due_s is None or now_s < self._due_s:
            return NOTHING
        line, self._buffer, self._due_s = self._buffer, b"", None
        return self._seen([line])

    def due_s(self) -> float | None:
        """Return when silence ends the line."""
        return self._due_s

    def _seen(self, lines: list[bytes]) -> Step:
        found = ((line, uid_of_line(line, self._rules)) for line in lines if line)
        seen = tuple(Seen(uid, line) for line, uid in found if uid is not None)
        return Step(seen=seen) if seen else NOTHING


def open_reader(**options: Any) -> SerialReader:
    """Return a reader; its port is opened when a card is waited for."""
    rules = LineRules(
        encoding=Encoding(options.pop("encoding", "hex")),
        checksum=Checksum(options.pop("checksum", "none")),
        strip=options.pop("strip", " :-"),
        prefix=options.pop("prefix", ""),
        min_bytes=options.pop("min_bytes", 4),
        max_bytes=options.pop("max_bytes", LONGEST_B),
        number_bytes=options.pop("number_bytes", 4),
    )
    idle_ms = options.pop("idle_ms", 50)
    lines = Lines(rules, baud=options.get("baud", 9600), idle_s=idle_ms / 1000 if idle_ms else None)
    return SerialReader(lines, form=form_of(options), **for_reader(options))


def open_wiegand(**options: Any) -> SerialReader:
    """Return a Wiegand converter: a line reader whose ids may have three bytes (26 bits carry 24 of them)."""
    return open_reader(**{"min_bytes": 3, **options})


def _check(options: Mapping[str, Any]) -> list[OptionProblem]:
    problems = []
    try:
        re.compile(str(options.get("prefix", "")))
    except re.error as error:
        problems.append(OptionProblem(option="prefix", problem=f"is no regular expression: {error}"))
    shortest, longest = options.get("min_bytes", 3), options.get("max_bytes", LONGEST_B)
    if shortest > longest:
        problems.append(OptionProblem(option="min_bytes", problem=f"{shortest} is more than max_bytes, {longest}"))
    return problems


def _byte_count(name: str, default: int, text: str) -> Option:
    return Option(name=name, type=int, default=default, unit="bytes", minimum=SHORTEST_B, maximum=LONGEST_B, help=text)


_LINE_OPTIONS: Final = (
    Option(name="encoding", type=str, default="hex", choices=("hex", "dec"), help="digits that the reader prints"),
    Option(
        name="number_bytes",
        type=int,
        default=4,
        unit="bytes",
        minimum=SHORTEST_B,
        maximum=LONGEST_B,
        help="length of the id that a decimal number stands for",
    ),
    Option(
        name="checksum",
        type=str,
        default="none",
        choices=("none", "xor", "sum2c"),
        help="last byte of the digits: exclusive or, or two's complement of the sum, of those before",
    ),
    Option(name="strip", type=str, default=" :-", help="characters that are dropped wherever they stand"),
    Option(name="prefix", type=str, help="regular expression that every card's line begins with; it is cut off"),
    Option(
        name="idle_ms",
        type=int,
        default=50,
        unit="ms",
        minimum=0,
        maximum=1000,
        help="silence that ends a line; 0: only CR, LF or ETX do",
    ),
)

SPEC = DriverSpec(
    name="line",
    kind=DriverKind.READER,
    target="drivers.rfid.line:open_reader",
    options=(
        *reader_options("Local", baud=9600),
        *_LINE_OPTIONS,
        _byte_count("min_bytes", 4, "shortest id"),
        _byte_count("max_bytes", LONGEST_B, "longest id"),
    ),
    summary="Card reader that prints a line for each card: hexadecimal or decimal, with prefix and checksum",
    check=_check,
)

WIEGAND = DriverSpec(
    name="wiegand-serial",
    kind=DriverKind.READER,
    target="drivers.rfid.line:open_wiegand",
    options=(
        *reader_options("Local", baud=9600),
        *_LINE_OPTIONS,
        _byte_count("min_bytes", 3, "shortest id; Wiegand 26 carries three bytes"),
        _byte_count("max_bytes", 7, "longest id"),
    ),
    summary="Wiegand reader behind a converter to RS-232 that prints a line for each card",
    check=_check,
)
