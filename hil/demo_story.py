"""Turns what the bench's trace and the CSMS's record say into entries of the timeline. Pure.

``Story.tell`` takes both in any order and returns what is worth saying, each with its cause. Nothing of the station's
inside is used: only what the world saw and what went over the wire.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hil.demo_evse import EvseStory
from hil.demo_frames import UNSPOKEN, Frame, accepted, answer_words, call_words, frame_key, is_periodic
from hil.demo_pace import Pace
from hil.timeline import Entry

SOURCES: Final = ("card", "car", "pilot", "lock", "guard", "contactor", "meter", "CSMS", "network", "station", "you")
Seen = tuple[float, str, Any]
"""An entry of the trace: monotonic s, signal, value."""

SELF_EVIDENT: Final = frozenset(
    {"plug", "unplug", "tap", "card_present", "card_remove", "power_cut", "power_on", "net", "mains", "stop"}
)
"""Verbs whose consequence is told anyway."""
QUERIES: Final = frozenset({"ledger", "messages", "stations", "state", "wait", "verbs"})
DECIDING: Final = {"Authorize": "Authorize", "BootNotification": "registration"}
"""Calls whose acceptance moves the station on, and the words for that."""
NET_WORDS: Final = {
    "up": "up again",
    "down": "down: connections are refused",
    "half_open": "half open: swallows everything",
}
_EVSE: Final = re.compile(r"evse(\d+)\.(\w+)")


@dataclass(slots=True)
class _Call:
    """A CALL that was told without its answer."""

    entry: Entry
    frame: Frame


class Story:
    """What has been told so far, as far as the next line needs it."""

    def __init__(self, *, evses: int = 1) -> None:
        self._evses = {number: EvseStory(f"EVSE {number}: " if evses > 1 else "") for number in range(1, evses + 1)}
        self._values: dict[str, Any] = {}
        self._tap: Entry | None = None
        self._ends: dict[str, Entry] = {}
        self._unanswered: dict[tuple[str, str, str], _Call] = {}
        self._answered: set[tuple[str, str, str]] = set()
        self._paces: dict[str, Pace] = {}
        self._connected: Entry | None = None

    def tell(self, seen: Iterable[Seen], frames: Iterable[Frame]) -> list[Entry]:
        """Return the entries for what is new, in order of time.

        Args:
            seen: entries of the trace, none twice.
            frames: records of the CSMS, none twice.
        """
        moments: list[tuple[float, int, Any]] = []
        for at_s, group in itertools.groupby(sorted(seen, key=lambda each: each[0]), key=lambda each: each[0]):
            moments.append((at_s, len(moments), list(group)))
        answers: dict[tuple[str, str, str], Frame] = {}
        for frame in frames:
            moments.append((float(frame["at_s"]), len(moments), frame))
            if frame["kind"] in ("result", "error"):
                answers[frame_key(frame)] = frame
        told: list[Entry] = []
        for at_s, _, what in sorted(moments, key=lambda each: each[:2]):
            told += self._world(at_s, what) if isinstance(what, list) else self._frame(at_s, what, answers)
        return told

    def _world(self, at_s: float, group: Sequence[Seen]) -> Iterator[Entry]:
        before = dict(self._values)
        by_evse: dict[int, dict[str, Any]] = {}
        for _, signal, value in group:
            match = _EVSE.fullmatch(signal)
            if match is None:
                yield from self._outside(at_s, signal, value)
                self._values[signal] = value
            elif before.get(signal) != value and int(match[1]) in self._evses:
                by_evse.setdefault(int(match[1]), {})[match[2]] = value
                self._values[signal] = value
        for number, changed in by_evse.items():
            yield from self._evses[number].change(at_s, changed, powered=bool(self._values.get("power", True)))

    def _outside(self, at_s: float, signal: str, value: Any) -> Iterator[Entry]:
        """Tell what belongs to no EVSE."""
        if self._values.get(signal) == value and signal != "stimulus":
            return
        known = signal in self._values
        if signal == "stimulus":
            yield from self._stimulus(at_s, value)
        elif signal.endswith(".card") and value:
            self._tap = self._mover(Entry(at_s=at_s, source="card", text=f"{value} on the reader", label="the tap"))
            yield self._tap
        elif signal.startswith("dut."):
            yield from self._start_or_end(at_s, signal.removeprefix("dut."), value)
        elif signal == "power" and known:
            text = "power is back" if value else "power cut: guard and agent are dead, every output falls"
            label = "the power's return" if value else "the cut"
            cause = self._ends.pop("power", None)
            self._ends["power"] = self._mover(Entry(at_s=at_s, source="station", text=text, cause=cause, label=label))
            yield self._ends["power"]
        elif signal == "mains" and known:
            yield self._mover(Entry(at_s=at_s, source="network", text=f"mains {'on' if value else 'off'}"))
        elif signal == "net" and known:
            yield self._mover(Entry(at_s=at_s, source="network", text=NET_WORDS.get(str(value), str(value))))

    def _start_or_end(self, at_s: float, role: str, pid: int | None) -> Iterator[Entry]:
        if pid is not None:
            gone = self._ends.pop(role, None)
            entry = Entry(
                at_s=at_s,
                source="station",
                text=f"{role} starts, process {pid}",
                cause=gone,
                label=f"{role}'s start",
            )
            for evse in self._evses.values():
                evse.restart = entry if role == "guard" else evse.restart
            yield entry
            return
        entry = Entry(at_s=at_s, source="station", text=f"{role} is gone", label=f"{role}'s end")
        self._ends[role] = entry
        if self._values.get("power", True):
            yield self._mover(entry)

    def _stimulus(self, at_s: float, stimulus: Mapping[str, Any]) -> Iterator[Entry]:
        verb = str(stimulus["verb"])
        if verb in SELF_EVIDENT or (verb == "csms" and stimulus.get("ask") in QUERIES):
            return
        given = {name: value for name, value in stimulus.items() if name != "verb" and value not in (None, {})}
        if len(self._evses) == 1:
            given.pop("evse", None)
        text = " ".join([verb, *(f"{name} {value}" for name, value in given.items())])
        yield self._mover(Entry(at_s=at_s, source="you", text=text, label=f"{verb!r}"))

    def _frame(self, at_s: float, frame: Frame, answers: Mapping[tuple[str, str, str], Frame]) -> Iterator[Entry]:
        match frame["kind"]:
            case "connected":
                text = f"{frame['identity']} connects, {frame['text']}"
                self._connected = Entry(at_s=at_s, source="network", text=text, label="connecting")
                yield self._connected
            case "disconnected":
                yield Entry(at_s=at_s, source="network", text=f"{frame['identity']} is gone from the CSMS")
            case "garbage":
                yield Entry(at_s=at_s, source="CSMS", text=f"unreadable: {frame['text'][:60]}")
            case "call":
                yield from self._call(at_s, frame, answers.get(frame_key(frame)))
            case _:
                yield from self._late_answer(at_s, frame)

    def _call(self, at_s: float, frame: Frame, answer: Frame | None) -> Iterator[Entry]:
        if answer is not None:
            self._answered.add(frame_key(frame))
        ours = frame["direction"] == "in"
        words = call_words(frame) if ours else f"asks {call_words(frame)}"
        if answer is not None:
            said = answer_words(answer)
            words += f" → {said}" if said else ""
        else:
            words += " …"
        action = str(frame["action"])
        entry = Entry(
            at_s=at_s, source="CSMS", text=words, cause=self._cause(frame), label=DECIDING.get(action, action)
        )
        if answer is None:
            self._unanswered[frame_key(frame)] = _Call(entry, frame)
        if (action in DECIDING and accepted(answer)) or not ours:
            self._mover(entry)
        if answer is not None and (action in UNSPOKEN or (is_periodic(frame) and not self._due(at_s, frame))):
            return
        yield entry

    def _late_answer(self, at_s: float, frame: Frame) -> Iterator[Entry]:
        """Tell an answer whose CALL was told before it came."""
        key = frame_key(frame)
        if key in self._answered:
            self._answered.discard(key)
            return
        call = self._unanswered.pop(key, None)
        if call is None:
            return
        said = answer_words(frame) or "answered"
        entry = Entry(at_s=at_s, source="CSMS", text=f"{frame['action']} → {said}", cause=call.entry)
        if frame["action"] == "Authorize" and accepted(frame):
            self._mover(Entry(at_s=at_s, source="CSMS", text=entry.text, label="Authorize"))
        yield entry

    def _cause(self, frame: Frame) -> Entry | None:
        if frame["direction"] != "in" or is_periodic(frame):
            return None
        match frame["action"]:
            case "Authorize":
                return self._tap
            case "BootNotification":
                return self._connected
            case "StatusNotification" | "StartTransaction" | "StopTransaction" | "TransactionEvent":
                return self._evse_of(frame).mover
            case _:
                return None

    def _evse_of(self, frame: Frame) -> EvseStory:
        payload = frame["payload"] if isinstance(frame["payload"], Mapping) else {}
        evse = payload.get("evse")
        number = evse.get("id") if isinstance(evse, Mapping) else payload.get("evseId", payload.get("connectorId"))
        return self._evses.get(number, self._evses[1]) if isinstance(number, int) else self._latest()

    def _latest(self) -> EvseStory:
        """Return the EVSE in which something happened last."""
        return max(self._evses.values(), key=lambda each: each.mover.at_s if each.mover else float("-inf"))

    def _due(self, at_s: float, frame: Frame) -> bool:
        payload = frame["payload"]
        transaction = payload.get("transactionInfo") or {}
        name = str(payload.get("transactionId", transaction.get("transactionId")))
        return self._paces.setdefault(name, Pace(at_s)).due(at_s)

    def _mover(self, entry: Entry) -> Entry:
        """Let what follows at any EVSE follow from this."""
        for evse in self._evses.values():
            evse.mover = entry
        return entry
