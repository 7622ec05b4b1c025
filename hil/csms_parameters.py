"""The parameters of the CSMS's verbs. Apart from the verbs, so that they can be known without the `ocpp` package."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from hil.control import Kind, Parameter
from hil.csms_frames import Direction, FrameKind
from hil.csms_script import REGISTRATIONS, UPGRADE_REFUSALS, Manner

ANY: Final = "any"


def _parameter(kind: Kind, name: str, about: str, *, required: bool = False, **rest: Any) -> Parameter:
    if not required:
        rest.setdefault("default", None)
    return Parameter(name=name, kind=kind, help=about, **rest)


_text = functools.partial(_parameter, Kind.TEXT)
_json = functools.partial(_parameter, Kind.ANY)
_whole = functools.partial(_parameter, Kind.INT)
_truth = functools.partial(_parameter, Kind.BOOL)
_number = functools.partial(_parameter, Kind.NUMBER, unit="s", minimum=0)

_IDENTITY: Final = _text("identity", "station; may be left out while only one is connected")
_TIMEOUT: Final = _number("timeout_s", "how long to wait at most", default=30.0, maximum=3600)
_SELECTION: Final = (
    _whole("since", "only frames with a higher number", default=0, minimum=0),
    _text("identity", "only of this station"),
    _text("direction", "seen from the CSMS", choices=(*(each.value for each in Direction), ANY)),
    _text("kind", "kind of frame", choices=(*(each.value for each in FrameKind), ANY)),
    _text("action", "OCPP action, also of answers", positional=True),
    _json("where", "what the payload must contain"),
)

PARAMETERS: Final[Mapping[str, tuple[Parameter, ...]]] = {
    "script": (
        _truth("clear", "begin with an empty script"),
        _text("boot", "answer to BootNotification", choices=REGISTRATIONS),
        _whole("interval_s", "interval in that answer", unit="s", minimum=0),
        _json("clock", 'currentTime: "now", {"skew_s": 3600} or {"text": "garbage"}'),
        _json("tokens", "{id token: {status, parent, expiry_utc}} or {id token: status}"),
        _truth("strict", "tokens that are not in the table are Invalid"),
        _whole("upgrade", "HTTP status that refuses connections, 0 to welcome them", choices=UPGRADE_REFUSALS),
        _text("action", "action to which reply applies, * for any"),
        _text("reply", "what happens to such a CALL", choices=tuple(each.value for each in Manner)),
        _whole("times", "how often; left out: for ever", minimum=1),
        _text("code", "code of a CALLERROR (default InternalError)"),
        _text("text", "text of a CALLERROR"),
        _number("seconds", "how late an answer is"),
        _truth("booked", "whether a silent CSMS took the message in (default true)"),
        _json("patch", "merge patch for the payload of the answer (RFC 7396)"),
    ),
    "ledger": (_IDENTITY,),
    "messages": _SELECTION,
    "call": (
        _text("action", "OCPP action", positional=True, required=True),
        _json("payload", "as on the wire", default={}, positional=True),
        _IDENTITY,
        _TIMEOUT,
        _truth("checked", "check the payload against the official schema first", default=True),
        _truth("queued", "wait until the CALL before is answered", default=True),
    ),
    "send": (_text("text", "the frame", positional=True, required=True), _IDENTITY),
    "stations": (),
    "wait": (
        *_SELECTION,
        _whole("count", "how many frames", default=1, minimum=1),
        _TIMEOUT,
        _whole("closed", "wait for at least so many ended transactions instead", minimum=0),
        _whole("open", "wait for exactly so many open transactions instead", minimum=0),
    ),
    "disconnect": (
        _IDENTITY,
        _whole("code", "close code (RFC 6455 section 7.4)", default=1000, minimum=1000, maximum=4999),
        _text("reason", "text of the close frame", default="scripted"),
        _truth("abort", "drop the TCP connection without a close frame", default=False),
    ),
    "password": (_text("text", "the new password"),),
    "clear": (),
    "state": (),
    "stop": (),
}


def is_text(verb: str, name: str) -> bool:
    """Say whether a parameter of a verb takes text, also where that looks like JSON."""
    return any(each.name == name and each.kind is Kind.TEXT for each in PARAMETERS.get(verb, ()))
