"""The last frames both ways, for people: kept in memory, shown with id tokens hashed and secrets gone. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec

KEPT_FRAMES: Final = 400
KEPT_CHARS: Final = 262_144  # of all frames together
SHOWN_CHARS: Final = 16_384  # of one frame; a report or a list can be longer

_TOKEN_MEMBERS: Final = frozenset({"idtag", "parentidtag", "idtoken", "groupidtoken"})
_SECRET_KEYS: Final = frozenset({"authorizationkey", "basicauthpassword"})
_CREDENTIALS_IN_URL: Final = ("location", "remotelocation")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame: when (monotonic s), which way, and its text as it was on the wire."""

    at_s: float
    outgoing: bool
    text: str


class FrameLog:
    """Keeps the newest frames within a fixed amount of memory."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._chars = 0

    def note(self, text: str | bytes, at_s: float, *, outgoing: bool) -> None:
        """Keep a frame; the oldest go."""
        kept = text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS]
        if isinstance(kept, bytes):
            kept = kept.decode(errors="replace")
        self._frames.append(Frame(at_s=at_s, outgoing=outgoing, text=kept))
        self._chars += len(kept)
        while len(self._frames) > KEPT_FRAMES or self._chars > KEPT_CHARS:
            self._chars -= len(self._frames.popleft().text)

    def frames(self, limit: int) -> tuple[Frame, ...]:
        """Return the newest ``limit`` frames, the oldest first, fit to be shown."""
        newest = list(self._frames)[-limit:]
        return tuple(msgspec.structs.replace(each, text=shown(each.text)) for each in newest)


def shown(text: str) -> str:
    """Return a frame's text with id tokens as hashes and without secrets.

    What cannot be read as JSON is shown as its length only: nobody can say what it holds.
    """
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return f"(unreadable or cut, {len(text)} characters)"
    return msgspec.json.encode(_clean(frame)).decode()


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if not isinstance(value, dict):
        return value
    secret = _names_secret(value)
    return {name: _member(name, each, secret=secret) for name, each in value.items()}


def _member(name: str, value: Any, *, secret: bool) -> Any:
    folded = name.casefold()
    if isinstance(value, str):
        if folded in _TOKEN_MEMBERS:
            return hashed(value) if value else value
        if secret and folded in ("value", "attributevalue"):
            return "***"
        if folded in _CREDENTIALS_IN_URL:
            return _without_credentials(value)
    return _clean(value)


def _names_secret(members: Mapping[str, Any]) -> bool:
    variable = members.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else members.get("key")
    return isinstance(name, str) and name.casefold() in _SECRET_KEYS


def _without_credentials(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}***@{host.rpartition('@')[2]}{slash}{path}" if "@" in host else url


def hashed(value: str) -> str:
    """Return the hash of an id token that logs and screens show."""
    import hashlib  # only for who looks

    return "id:" + hashlib.sha256(value.casefold().encode(errors="replace")).hexdigest()[:8]
