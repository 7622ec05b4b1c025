"""Payloads: typed messages to proven JSON and back, for any version of the standard.

A dialect gives its messages; `Codec` does the rest. Parsing is one pass of msgspec straight into the type. Only where
that fails does the slow path look closer, to forgive what may be forgiven and to name the rule that was broken.

In: members that the type does not know and nulls in optional members are ignored.
Out: nothing leaves that the same type would not accept back; absent members are left out, never null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final, TypeVar

import msgspec

from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation

PayloadT = TypeVar("PayloadT", bound="Payload")


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A payload, or an object inside one: an immutable value, Python names here and the standard's on the wire."""


class Direction(Enum):
    """Who may send the request."""

    TO_CSMS = auto()
    TO_STATION = auto()
    BOTH = auto()


class MessagePair(msgspec.Struct, frozen=True, kw_only=True):
    """The request and the response of one action."""

    request: type[Payload]
    response: type[Payload]
    direction: Direction


class Codec:
    """Reads and writes the payloads of one version. Holds nothing but parsers, each built when first needed."""

    def __init__(self, actions: Mapping[str, MessagePair], known_actions: frozenset[str]) -> None:
        """Take the messages that we speak, and the names of all actions that the version has."""
        self._actions = actions
        self._known_actions = known_actions
        self._decoders: dict[type[Payload], msgspec.json.Decoder[Any]] = {}

    def decode_request(self, action: str, payload: bytes | msgspec.Raw) -> Payload:
        """Read the payload of a CALL, of either direction.

        Raises:
            RemoteProtocolError: ``NOT_IMPLEMENTED`` for an action that the version does not have, ``NOT_SUPPORTED`` for
                one that we do not speak, else as `decode`.
        """
        pair = self._actions.get(action) or self._pair(action)
        decoder = self._decoders.get(pair.request) or self._decoder(pair.request)
        try:  # as `decode`, without its call
            return decoder.decode(payload)  # type: ignore[no-any-return]  # a decoder of this type
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _decode_carefully(decoder, pair.request, payload)

    def decode_response(self, action: str, payload: bytes | msgspec.Raw) -> Payload:
        """Read the payload of a CALLRESULT to ``action``.

        Raises:
            RemoteProtocolError: as `decode_request`, with ``reply_expected`` false.
        """
        return self.decode_answer(self._pair(action).response, payload)

    def decode_answer(self, kind: type[PayloadT], payload: bytes | msgspec.Raw) -> PayloadT:
        """Read the payload of a CALLRESULT as ``kind``: `decode_response` for a caller that knows the type.

        Raises:
            RemoteProtocolError: as `decode`, with ``reply_expected`` false.
        """
        try:
            return self.decode(kind, payload)
        except RemoteProtocolError as exc:
            raise RemoteProtocolError(exc.violation, exc.description, reply_expected=False) from exc

    def decode(self, kind: type[PayloadT], payload: bytes | msgspec.Raw) -> PayloadT:
        """Read a payload as ``kind``.

        Tolerated: unknown members, null in optional members, ``null`` or ``[]`` for ``{}``, ``300.0`` for an integer.

        Raises:
            RemoteProtocolError: ``FORMAT``, ``OCCURRENCE``, ``TYPE`` or ``PROPERTY``; the first problem found, with its
                place in the payload.
        """
        decoder = self._decoder(kind)
        try:
            message: PayloadT = decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _decode_carefully(decoder, kind, payload)
        return message

    def encode(self, message: Payload) -> msgspec.Raw:
        """Write a payload and prove it: what is returned was read back by its own type and is equal.

        Raises:
            LocalProtocolError: the message breaks a limit of its type, or holds NaN, an infinity, a list where a tuple
                belongs, or text that UTF-8 cannot carry.
        """
        kind = type(message)
        try:
            octets = _ENCODER.encode(message)
            copy = (self._decoders.get(kind) or self._decoder(kind)).decode(octets)
        except msgspec.ValidationError as exc:
            raise LocalProtocolError(f"{kind.__name__} is not valid: {_plain(exc)}") from exc
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as exc:
            raise LocalProtocolError(f"{kind.__name__} cannot be written as JSON: {exc}") from exc
        if copy != message:
            raise LocalProtocolError(f"{kind.__name__} does not read back as it was written: NaN, infinity or a list?")
        return msgspec.Raw(octets)

    def action_of(self, request: type[Payload]) -> str:
        """Return the action of a type of request.

        Raises:
            LocalProtocolError: it is no request of this version.
        """
        for action, pair in self._actions.items():
            if pair.request is request:
                return action
        raise LocalProtocolError(f"{request.__name__} is not a request of this version")

    def _pair(self, action: str) -> MessagePair:
        pair = self._actions.get(action)
        if pair is not None:
            return pair
        if action in self._known_actions:
            raise RemoteProtocolError(Violation.NOT_SUPPORTED, f"{action} is not supported by this station")
        raise RemoteProtocolError(Violation.NOT_IMPLEMENTED, f"{action[:64]!r} is not an action of this version")

    def _decoder(self, kind: type[Payload]) -> msgspec.json.Decoder[Any]:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        return decoder


def members_of(payload: bytes | msgspec.Raw) -> dict[str, Any]:
    """Return whatever members a payload has, unchecked; empty where it is no JSON object.

    For the few answers that are worth reading although they break the standard: back ends leave out ``currentTime`` or
    ``idTagInfo``, or misname ``interval``. Look at each member's type before use.
    """
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


_ENCODER: Final = msgspec.json.Encoder()
_PLACE: Final = re.compile(r"(?s)(.*) - at `\$\.?(.*)`")
_OCCURRENCE: Final = re.compile(r"Object missing required field|Expected `array[^`]*` of ")
_TYPE: Final = re.compile(r"Expected `[^`]*`, got `")
_ROOT_IS_NO_OBJECT: Final = re.compile(r"Expected `object`, got `[a-z]+`")
_INTEGRAL_FLOAT: Final = re.compile(r"Expected `int[^`]*`, got `float`")
_BLANKS: Final = b" \t\r\n"


def _decode_carefully(
    decoder: msgspec.json.Decoder[Any], kind: type[PayloadT], payload: bytes | msgspec.Raw
) -> PayloadT:
    """Forgive what may be forgiven in a payload that failed, or name the rule that it broke."""
    octets = bytes(payload)
    if octets == b"null" or (octets[:1] == b"[" and octets.translate(None, _BLANKS) == b"[]"):
        octets = b"{}"
    try:
        message: PayloadT = decoder.decode(octets)
    except msgspec.ValidationError as exc:
        if _INTEGRAL_FLOAT.match(str(exc)):
            return _decode_integral_floats(kind, octets)
        raise _violation(exc) from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RemoteProtocolError(Violation.FORMAT, f"payload is not valid JSON: {exc}") from exc
    return message


def _decode_integral_floats(kind: type[PayloadT], octets: bytes) -> PayloadT:
    """Read ``300.0`` as 300: the same number to JSON Schema since draft 6, and to every JavaScript peer."""
    try:
        return msgspec.convert(_integral(msgspec.json.decode(octets)), type=kind)
    except msgspec.ValidationError as exc:
        raise _violation(exc) from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RemoteProtocolError(Violation.FORMAT, f"payload is not valid JSON: {exc}") from exc


def _integral(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _integral(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return value


def _violation(exc: msgspec.ValidationError) -> RemoteProtocolError:
    """Classify what msgspec found. What is neither a type nor a count is a wrong value."""
    text = str(exc)
    if _ROOT_IS_NO_OBJECT.fullmatch(text):
        violation = Violation.FORMAT
    elif _OCCURRENCE.match(text):
        violation = Violation.OCCURRENCE
    elif _TYPE.match(text):
        violation = Violation.TYPE
    else:
        violation = Violation.PROPERTY
    return RemoteProtocolError(violation, _plain(exc))


def _plain(exc: msgspec.ValidationError) -> str:
    """Turn ``Expected `str | null`, got `int` - at `$.idTag``` into ``idTag: expected str, got int``."""
    text = str(exc)
    place = _PLACE.fullmatch(text)
    what = (place[1] if place else text).replace(" | null`", "`").replace("`", "")
    what = what[:1].lower() + what[1:]
    return f"{place[2]}: {what}" if place and place[2] else what
