"""The last frames both ways, for people: kept in memory, shown with id tokens hashed and secrets gone. Pure."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, Final

import msgspec

KEPT_FRAMES: Final = 400
KEPT_CHARS: Final = 262_144  # of all frames together
SHOWN_CHARS: Final = 16_384  # of one frame; a report or a list can be longer

GONE: Final = "***"
_TOKEN_MEMBERS: Final = frozenset({"idtag", "parentidtag", "idtoken", "groupidtoken", "additionalidtoken"})
_TOKEN_OBJECTS: Final = frozenset({"idtoken", "groupidtoken"})
_SECRET_KEYS: Final = ("authorizationkey", "basicauthpassword")
_SECRET_WORDS: Final = ("password", "passphrase", "secret", "simpin")
_ABOUT_A_VARIABLE: Final = frozenset(
    {"component", "variable", "status", "readonly", "attributetype", "attributestatus", "attributestatusinfo"}
)
_ADDRESS_MEMBERS: Final = frozenset({"location", "remotelocation", "ocppcsmsurl"})
_IN_ADDRESS: Final = re.compile(r"://[^\s\"'<>]{1,2000}@")


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
    """Return a frame's text with id tokens as hashes and without secrets, also where the CSMS put them wrongly.

    What cannot be read as JSON is shown as its length only: nobody can say what it holds.
    """
    cleaned = _cleaned_json(text)
    return f"(unreadable or cut, {len(text)} characters)" if cleaned is None else cleaned


class _Members(list[tuple[str, Any]]):
    """The members of an object as they stood there: names may be repeated, and the first one is a secret too."""


def _cleaned_json(text: str) -> str | None:
    import json  # only for who looks; it tells repeated names

    try:
        cleaned = _clean(json.loads(text, object_pairs_hook=_Members))
        return msgspec.json.encode(cleaned).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, _Members):
        secret = any(_names_secret(name, member) for name, member in value)
        secret = secret or any(name.casefold() == "password" for name, _ in value)  # of a VPN: its key is one, too
        return {name: _member(name, member, secret=secret) for name, member in value}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value


def _member(name: str, value: Any, *, secret: bool) -> Any:
    folded = name.casefold()
    if value is None or isinstance(value, bool):
        return value
    if any(word in folded for word in _SECRET_WORDS) or (secret and _may_hold_it(folded, value)):
        return GONE
    if folded in _TOKEN_MEMBERS:
        return _hashed_token(folded, value)
    if folded in _ADDRESS_MEMBERS:
        return _without_credentials(value) if isinstance(value, str) else GONE
    return _clean(value)


def _may_hold_it(folded: str, value: Any) -> bool:
    return folded not in _ABOUT_A_VARIABLE and not _names_secret(folded, value)


def _names_secret(name: str, value: Any) -> bool:
    """Return whether a member says that its object is about a secret: ``key`` of 1.6, ``variable`` of 2.0.1."""
    if isinstance(value, _Members):
        return name.casefold() == "variable" and any(_names_secret(*each) for each in value)
    if isinstance(value, list):
        return any(_names_secret(name, each) for each in value)
    if not isinstance(value, str) or len(value) > 128:
        return False
    return "".join(filter(str.isalnum, value)).casefold().endswith(_SECRET_KEYS)


def _hashed_token(folded: str, value: Any) -> Any:
    if isinstance(value, _Members):
        return _clean(value) if folded in _TOKEN_OBJECTS else GONE
    if isinstance(value, list):
        return [_hashed_token(folded, each) for each in value]
    return hashed(str(value)) if value != "" else value


def _clean_text(text: str) -> str:
    if "PRIVATE KEY-----" in text:
        return GONE
    if text.lstrip()[:1] in ("{", "["):  # a DataTransfer's own JSON
        return _cleaned_json(text) or text
    return _IN_ADDRESS.sub(f"://{GONE}@", text) if "://" in text else text


def _without_credentials(address: str) -> str:
    """Return an address without user, password and query, however it is written."""
    before, _, rest = address.rpartition("@")
    scheme, mark, _ = before.partition("://")
    kept = f"{scheme}{mark}{GONE}@{rest}" if mark else f"{GONE}@{rest}" if before else rest
    path, question, _ = kept.partition("?")
    return f"{path}?{GONE}" if question else path


def hashed(value: str) -> str:
    """Return the hash of an id token that logs and screens show."""
    import hashlib  # only for who looks

    return "id:" + hashlib.sha256(value.casefold().encode(errors="replace")).hexdigest()[:8]
