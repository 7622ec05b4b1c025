"""OCPP-J frames: text in, values out, and back. No I/O, no clock, no state.

    [2, "<id>", "<action>", {payload}]                     CALL
    [3, "<id>", {payload}]                                 CALLRESULT
    [4, "<id>", "<code>", "<description>", {details}]      CALLERROR

A payload stays raw JSON here (`msgspec.Raw`); the dialect that knows its type writes and parses it, once. `decode`
raises nothing but `RemoteProtocolError`, whatever arrives, and its work is bounded by the size of the text.

Repeated names in an object are no error here (RFC 8259 §4 leaves them open): the last one counts. A CALL with them is
refused by `agent.ocpp.inbox`.

Source: OCPP-J 1.6 §4.2; OCPP 2.0.1 part 4 §4.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation

MAX_ID_CHARS: Final = 36  # a UUID fits. OCPP-J 1.6 §4.1.4, OCPP 2.0.1 part 4 §4.1.4
UNREADABLE_ID: Final = "-1"  # what stands for an id that could not be read. OCPP 2.0.1 part 4 §4.2.3, errata
MAX_CODE_CHARS: Final = 50  # OCPP-J 1.6 §4.2.3, OCPP 2.0.1 part 4 §4.2.3
MAX_DESCRIPTION_CHARS: Final = 255  # OCPP-J 1.6 §4.2.3, OCPP 2.0.1 part 4 §4.2.3


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=2, forbid_unknown_fields=True):
    """A request."""

    message_id: str
    action: str
    payload: msgspec.Raw


class CallResult(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=3, forbid_unknown_fields=True):
    """The answer to a `Call`."""

    message_id: str
    payload: msgspec.Raw


class CallError(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=4, forbid_unknown_fields=True):
    """The refusal of a `Call`.

    ``code`` is an open string, because real peers mix the lists of both versions. ``message_id`` is empty when the
    peer could not read ours and sent null; some write ``"-1"`` instead. Code and description are cut to the standard's
    50 and 255 characters, both ways; ``details`` may be large and must not be stored.
    """

    message_id: str
    code: str
    description: str = ""
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


Frame: TypeAlias = Call | CallResult | CallError


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What `decode` accepts at most. Real back ends send a few hundred kB and a handful of levels."""

    max_bytes: int = 1_048_576
    max_depth: int = 32


DEFAULT_LIMITS: Final = Limits()


def encode(frame: Frame) -> str:
    """Return the text of a frame.

    Raises:
        LocalProtocolError: the id of a CALL is empty or longer than 36 characters, or something in the frame cannot be
            written as JSON. A payload is not looked at: `agent.ocpp.codec` wrote and proved it.
    """
    if type(frame) is Call:
        if not 0 < len(frame.message_id) <= MAX_ID_CHARS:
            raise LocalProtocolError(f"message id {frame.message_id!r} is not 1-{MAX_ID_CHARS} characters long")
    elif type(frame) is CallError:
        frame = _cut(frame)
    try:
        return _ENCODER.encode(frame).decode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as exc:
        raise LocalProtocolError(f"{type(frame).__name__} cannot be written as JSON: {exc}") from exc


def decode(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Frame:
    """Return the frame that a WebSocket message holds.

    Tolerated: an id of any length; a CALLERROR with null for its id, or without description or details. A payload of
    ``null`` or ``[]`` passes here and means ``{}`` to `agent.ocpp.codec`.

    Raises:
        RemoteProtocolError: anything else that is no frame. ``MESSAGE_TYPE`` for a message type number other than 2, 3
            and 4, which OCPP 1.6 ignores and 2.0.1 answers; otherwise ``FRAME``. ``message_id`` is set whenever it
            could be read, even out of a CALL whose JSON is broken further on.
    """
    if isinstance(text, str) and text.isascii() and len(text) <= limits.max_bytes:
        try:  # nearly every frame; what is wrong with another is found below
            quick: Frame = _FRAMES.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            pass
        else:
            if text.count("[") + text.count("{") <= limits.max_depth and type(quick) is not CallError:
                return quick
    octets = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(octets) > limits.max_bytes:
        raise _broken(octets[:1024], f"longer than {limits.max_bytes} bytes")
    try:
        octets.decode()  # the parser skips over a payload without looking at its characters
        frame: Frame = _FRAMES.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return _diagnose(octets, limits, exc)
    if octets.count(b"[") + octets.count(b"{") > limits.max_depth and _deeper_than(limits.max_depth, octets):
        raise _broken(octets, f"nested deeper than {limits.max_depth} levels")
    return _cut(frame) if type(frame) is CallError else frame


_T = TypeVar("_T")


class _Elements(msgspec.Struct, frozen=True, array_like=True):
    """The first elements of any JSON array, unread. Not a list: a hostile frame may have half a million of them."""

    first: msgspec.Raw = msgspec.Raw()
    second: msgspec.Raw = msgspec.Raw()
    third: msgspec.Raw = msgspec.Raw()
    fourth: msgspec.Raw = msgspec.Raw()
    fifth: msgspec.Raw = msgspec.Raw()
    sixth: msgspec.Raw = msgspec.Raw()


_ENCODER: Final = msgspec.json.Encoder()
_FRAMES: Final = msgspec.json.Decoder(Call | CallResult | CallError)
_ELEMENTS: Final = msgspec.json.Decoder(_Elements)
_START_OF_FRAME: Final = re.compile(
    rb'\s{0,64}\[\s{0,64}([0-9]{1,4})\s{0,64}(?:,\s{0,64}"([^"\\\x00-\x1f]{1,255})"\s{0,64}[,\]])?'
)
_BRACKETS_TO_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_LENGTHS: Final = {2: "4", 3: "3", 4: "3 to 5"}
_FULL: Final = 6  # as many elements as `_Elements` keeps, or more


def _broken(octets: bytes, what: str) -> RemoteProtocolError:
    """Describe a frame that cannot be parsed, with whatever its beginning says about type and id."""
    start = _START_OF_FRAME.match(octets)
    if start is None:
        return RemoteProtocolError(Violation.FRAME, f"frame is {what}")
    try:
        message_id = start[2].decode() if start[2] is not None else None
    except UnicodeDecodeError:
        message_id = None
    return RemoteProtocolError(
        Violation.FRAME, f"frame is {what}", message_id, reply_expected=int(start[1]) not in (3, 4)
    )


def _diagnose(octets: bytes, limits: Limits, cause: Exception) -> Frame:
    """Return the CALLERROR that strict parsing refused but that can be understood, or say what is wrong."""
    if isinstance(cause, UnicodeDecodeError):
        raise _broken(octets, "not valid UTF-8") from cause
    try:
        elements = _ELEMENTS.decode(octets)
    except RecursionError as exc:
        raise _broken(octets, f"nested deeper than {limits.max_depth} levels") from exc
    except msgspec.ValidationError as exc:
        raise RemoteProtocolError(Violation.FRAME, "frame is not a JSON array") from exc
    except msgspec.MsgspecError as exc:
        raise _broken(octets, f"not JSON: {exc}") from exc
    if _deeper_than(limits.max_depth, octets):
        raise _broken(octets, f"nested deeper than {limits.max_depth} levels") from cause
    present = [element for element in msgspec.structs.astuple(elements) if bytes(element)]
    kind = _read(elements.first, int)
    message_id = _read(elements.second, str)
    if kind is None:
        raise RemoteProtocolError(Violation.FRAME, "frame does not begin with a message type number", message_id)
    if kind not in _LENGTHS:
        # The number may have thousands of digits: it is not repeated.
        raise RemoteProtocolError(Violation.MESSAGE_TYPE, "message type number is not 2, 3 or 4", message_id)
    if kind == 4 and len(present) >= 3 and (message_id is not None or bytes(elements.second) == b"null"):
        return _lenient_call_error(elements, message_id)
    if message_id is None:
        what = "message id is not a string"
    elif kind == 2 and len(present) >= 3 and _read(elements.third, str) is None:
        what = "action is not a string"
    else:
        count = f"{_FULL} or more" if len(present) == _FULL else str(len(present))
        what = f"message of type {kind} has {count} elements, expected {_LENGTHS[kind]}"
    raise RemoteProtocolError(Violation.FRAME, what, message_id, reply_expected=kind == 2) from cause


def _lenient_call_error(elements: _Elements, message_id: str | None) -> CallError:
    """Read a sloppy CALLERROR: it ends a CALL of ours, and a time-out would only say less."""
    error = CallError(
        message_id=message_id or "",
        code=_read(elements.third, str) or "",
        description=_read(elements.fourth, str) or "",
        details=_read(elements.fifth, dict) or {},
    )
    return _cut(error)


def _cut(error: CallError) -> CallError:
    if len(error.code) <= MAX_CODE_CHARS and len(error.description) <= MAX_DESCRIPTION_CHARS:
        return error
    return msgspec.structs.replace(
        error, code=error.code[:MAX_CODE_CHARS], description=error.description[:MAX_DESCRIPTION_CHARS]
    )


def _read(element: msgspec.Raw, kind: type[_T]) -> _T | None:
    """Return one element if it is there and of this type, else ``None``."""
    try:
        return msgspec.json.decode(element, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _deeper_than(max_depth: int, octets: bytes) -> bool:
    """Say whether valid JSON nests deeper than ``max_depth``, in at most ``max_depth`` passes at C speed.

    Everything but brackets outside of strings is dropped; then each pass peels off the innermost level.
    """
    if b"\\" in octets:
        octets = octets.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(octets.split(b'"')[::2]).translate(_BRACKETS_TO_SQUARE, _ALL_BUT_BRACKETS)
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
