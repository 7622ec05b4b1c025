"""What the CSMS was told to do: registration, clock, tokens, and how it answers which action. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

Json = Mapping[str, Any]

DEFAULT_INTERVAL_S: Final = 10  # lively, for a bench; real ones say 60 to 3600
ANY_ACTION: Final = "*"
TOKEN_STATES: Final = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
UPGRADE_REFUSALS: Final = (0, 400, 401, 403, 404, 426, 429, 500, 502, 503, 504)
REGISTRATIONS: Final = ("Accepted", "Pending", "Rejected")


class ScriptError(ValueError):
    """A script that cannot be meant; the text says what was expected."""


class Manner(Enum):
    """How a CALL of the station is treated."""

    OK = "ok"  # answered as a good CSMS answers
    CALLERROR = "callerror"  # refused, nothing is booked
    LATE = "late"  # booked at once, answered after a while
    SILENT = "silent"  # never answered
    RESULT = "result"  # answered, with the payload patched and not checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One scripted treatment. ``times`` None: for ever; ``booked``: a silent CSMS took the message in all the same."""

    manner: Manner
    times: int | None = None
    code: str = "InternalError"
    text: str = ""
    seconds: float = 0.0
    booked: bool = True
    patch: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What the CSMS knows about an id token: a status of `TOKEN_STATES`, its group and its expiry (RFC 3339)."""

    status: str = "Accepted"
    parent: str | None = None
    expiry_utc: str | None = None


OK: Final = Rule(manner=Manner.OK)


@dataclass(slots=True)
class Script:
    """The CSMS's orders. Token names are compared without regard to case (OCPP: CiString, 2.0.1 case-insensitive)."""

    boot_status: str = "Accepted"
    boot_interval_s: int = DEFAULT_INTERVAL_S
    skew_s: float = 0.0
    clock_text: str | None = None
    strict: bool = False
    upgrade_status: int | None = None
    upgrade_times: int | None = None
    tokens: dict[str, Token] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)

    def take(self, action: str) -> Rule:
        """Return the treatment of the next CALL of this action and use it up; rules of an action queue up."""
        for key in (action, ANY_ACTION):
            queue = self.rules.get(key, [])
            if not queue:
                continue
            rule = queue[0]
            if rule.times is not None:
                queue[0] = replace(rule, times=rule.times - 1)
                if rule.times <= 1:
                    queue.pop(0)
            return rule
        return OK

    def take_upgrade(self) -> int | None:
        """Return the HTTP status that refuses the next connection, None when it is welcome."""
        status = self.upgrade_status
        if status is not None and self.upgrade_times is not None:
            self.upgrade_times -= 1
            if self.upgrade_times <= 0:
                self.upgrade_status = self.upgrade_times = None
        return status

    def token(self, id_token: str) -> Token:
        """Return what is known about a token: unknown ones are accepted unless ``strict``."""
        known = self.tokens.get(id_token.casefold())
        return known or Token(status="Invalid" if self.strict else "Accepted")

    def clock(self, now: datetime) -> str:
        """Return currentTime: now, skewed, or whatever the script says instead."""
        if self.clock_text is not None:
            return self.clock_text
        moment = now + timedelta(seconds=self.skew_s)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def order(self, args: Json) -> None:
        """Change the script as the verb ``script`` says; nothing changes when anything in it is wrong.

        Keys: ``clear`` · ``boot`` with ``interval_s`` · ``clock`` {skew_s | text} · ``tokens`` {id: {status, parent,
        expiry_utc}} · ``strict`` · ``upgrade`` (HTTP status, 0: welcome) with ``times`` · ``action`` with ``reply`` and
        ``times, code, text, seconds, booked, patch``.

        Raises:
            ScriptError: an unknown key or a value out of range.
        """
        _only(args, KEYS, "script")
        draft = Script() if args.get("clear") else self._copy()
        if args.get("boot") is not None:
            draft.boot_status = _one_of("boot", args["boot"], REGISTRATIONS)
        if "interval_s" in args:
            draft.boot_interval_s = int(_number("interval_s", args["interval_s"], 0))
        if "clock" in args:
            draft._set_clock(args["clock"])
        if "strict" in args:
            draft.strict = _truth("strict", args["strict"])
        for name, entry in _mapping("tokens", args.get("tokens", {})).items():
            draft.tokens[name.casefold()] = _token(name, entry)
        if "upgrade" in args:
            draft.upgrade_status = int(_number("upgrade", args["upgrade"], 0)) or None
            draft.upgrade_times = _times(args)
        if "action" in args:
            draft._set_rule(str(args["action"]), args)
        elif "reply" in args:
            raise ScriptError("reply without action, expected the name of an action or '*'")
        for name in Script.__slots__:
            setattr(self, name, getattr(draft, name))

    def snapshot(self) -> dict[str, Any]:
        """Return the script as JSON for the verb ``state``."""
        return {
            "boot": self.boot_status,
            "interval_s": self.boot_interval_s,
            "clock": self.clock_text if self.clock_text is not None else {"skew_s": self.skew_s},
            "strict": self.strict,
            "upgrade": self.upgrade_status,
            "tokens": {name: {k: v for k, v in _fields(token).items() if v} for name, token in self.tokens.items()},
            "rules": {
                action: [{**_fields(rule), "manner": rule.manner.value, "patch": dict(rule.patch)} for rule in queue]
                for action, queue in self.rules.items()
                if queue
            },
        }

    def _copy(self) -> Script:
        copied = Script(**{name: getattr(self, name) for name in Script.__slots__})
        copied.tokens = dict(self.tokens)
        copied.rules = {action: list(queue) for action, queue in self.rules.items()}
        return copied

    def _set_clock(self, value: Any) -> None:
        if value in (None, "now"):
            self.skew_s, self.clock_text = 0.0, None
            return
        entry = _mapping("clock", value)
        _only(entry, ("skew_s", "text"), "clock")
        self.clock_text = None if entry.get("text") is None else str(entry["text"])
        self.skew_s = _number("skew_s", entry.get("skew_s", 0.0), None)

    def _set_rule(self, action: str, args: Json) -> None:
        manner = Manner(_one_of("reply", args.get("reply"), tuple(each.value for each in Manner)))
        if manner is Manner.OK and args.get("times") is None:
            self.rules.pop(action, None)
            return
        rule = Rule(
            manner=manner,
            times=_times(args),
            code=str(args.get("code", "InternalError")),
            text=str(args.get("text", "scripted")),
            seconds=_number("seconds", args.get("seconds", 0.0), 0),
            booked=_truth("booked", args.get("booked", True)),
            patch=_mapping("patch", args.get("patch", {})),
        )
        queue = self.rules.setdefault(action, [])
        if queue and queue[-1].times is None:
            queue.pop()  # nothing could ever come after a rule that holds for ever
        queue.append(rule)


KEYS: Final = (
    "clear", "boot", "interval_s", "clock", "tokens", "strict", "upgrade",
    "action", "reply", "times", "code", "text", "seconds", "booked", "patch",
)  # fmt: skip


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: null removes a member. Source: RFC 7396 section 2."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _fields(value: Rule | Token) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _token(name: str, entry: Any) -> Token:
    if isinstance(entry, str):
        entry = {"status": entry}
    entry = _mapping(f"token {name}", entry)
    _only(entry, ("status", "parent", "expiry_utc"), f"token {name}")
    status = _one_of(f"status of token {name}", entry.get("status", "Accepted"), TOKEN_STATES)
    return Token(status=status, parent=entry.get("parent"), expiry_utc=entry.get("expiry_utc"))


def _times(args: Json) -> int | None:
    return None if args.get("times") is None else int(_number("times", args["times"], 1))


def _only(args: Json, allowed: tuple[str, ...], where: str) -> None:
    for key in args:
        if key not in allowed:
            raise ScriptError(f"{where}: unknown key {key!r}, expected one of {', '.join(allowed)}")


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ScriptError(f"{name} {value!r} is unknown, expected one of {', '.join(allowed)}")
    return str(value)


def _number(name: str, value: Any, least: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or (least is not None and value < least):
        raise ScriptError(f"{name} {value!r} is not a number" + ("" if least is None else f" of at least {least}"))
    return float(value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ScriptError(f"{name} {value!r} is not a truth value, expected true or false")
    return value


def _mapping(name: str, value: Any) -> Json:
    if not isinstance(value, Mapping):
        raise ScriptError(f"{name} {value!r} is not an object")
    return value
