"""What all connections of the CSMS share: the book, the script, the record of frames, the answers already given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from hil.csms_frames import Direction, Frame, FrameKind, FrameLog
from hil.csms_script import Script
from hil.ledger import Ledger
from hil.ledger_rows import Arrival, Problem, ProblemKind

TIME_KEYS: Final = frozenset(
    {"timestamp", "generatedAt", "startSchedule", "validFrom", "validTo", "expiryDate", "eventTimestamp"}
)


@dataclass(slots=True)
class StationCard:
    """What the CSMS knows about one station: its connection and the last status of every outlet."""

    identity: str
    subprotocol: str | None = None
    connected: bool = False
    since_s: float | None = None
    connections: int = 0
    boot: Mapping[str, Any] | None = None
    registration: str | None = None
    asked_while_pending: bool = False
    status: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the card for the control socket."""
        return {name: getattr(self, name) for name in self.__slots__}


class Desk:
    """The CSMS's shared state. One event loop only.

    Args:
        mono_s: its monotonic clock. utc: its time of day.
    """

    def __init__(
        self,
        *,
        mono_s: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._mono_s = mono_s
        self._utc = utc
        self.ledger = Ledger()
        self.script = Script()
        self.frames = FrameLog()
        self.stations: dict[str, StationCard] = {}
        self._answers: dict[tuple[str, str], tuple[str, str]] = {}

    def current_time(self) -> str:
        """Return the CSMS's clock as the script has it."""
        return self.script.clock(self._utc())

    def station(self, identity: str) -> StationCard:
        """Return a station's card, a new one at its first appearance."""
        return self.stations.setdefault(identity, StationCard(identity))

    def register(self, arrival: Arrival) -> dict[str, Any]:
        """Note a BootNotification on the station's card and return the answer in the `ocpp` package's words."""
        card = self.station(arrival.identity)
        card.boot, card.registration, card.asked_while_pending = (
            json.loads(arrival.content),
            self.script.boot_status,
            False,
        )
        return {
            "current_time": self.current_time(),
            "interval": self.script.boot_interval_s,
            "status": self.script.boot_status,
        }

    def arrival(self, identity: str, action: str, message_id: str, payload: Any) -> Arrival:
        """Describe a CALL that arrives now, for the book."""
        return Arrival(
            identity=identity,
            message_id=message_id,
            action=action,
            at_s=self._mono_s(),
            at_utc=self._utc(),
            content=json.dumps(payload, sort_keys=True),
            times=tuple(_times(payload)),
            lane_utc=_lane_time(action, payload),
            lane=_lane(action, payload),
        )

    def remember(self, arrival: Arrival, answer: str) -> None:
        """Keep the answer to a transaction message for its retries."""
        self._answers[(arrival.identity, arrival.message_id)] = (arrival.content, answer)

    def recall(self, arrival: Arrival) -> str | None:
        """Return the answer given to the same message before, None when it is new or has other content."""
        content, answer = self._answers.get((arrival.identity, arrival.message_id), (None, None))
        return answer if content == arrival.content else None

    def note(self, identity: str, kind: ProblemKind, text: str) -> None:
        """Hold something against a station."""
        self.ledger.note(Problem(kind=kind, identity=identity, text=text, at_s=self._mono_s()))
        self.frames.changed()

    def record(
        self,
        identity: str,
        connection: int,
        direction: Direction,
        kind: FrameKind,
        text: str,
        *,
        action: str | None = None,
        message_id: str | None = None,
        payload: Any = None,
    ) -> None:
        """Add to the record of frames, now."""
        self.frames.append(
            Frame(
                seq=self.frames.last_seq + 1,
                at_s=self._mono_s(),
                at_utc=self._utc(),
                identity=identity,
                connection=connection,
                direction=direction,
                kind=kind,
                action=action,
                message_id=message_id,
                payload=payload,
                text=text,
            )
        )

    def clear(self) -> None:
        """Begin a new book and a new script. The record of frames and the transaction ids go on."""
        self.ledger = Ledger(next_transaction_id=self.ledger.next_transaction_id)
        self.script = Script()
        self._answers.clear()
        self.frames.changed()


def _lane(action: str, payload: Any) -> str:
    """Return what is ordered by time: starts and stops, and the samples of each transaction.

    A sample carries the moment of its measurement, which may lie before an event of another outlet that was sent first.
    """
    return f"samples of {payload.get('transactionId')}" if action == "MeterValues" else ""


def _times(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key in TIME_KEYS and isinstance(member, str):
                yield member
            else:
                yield from _times(member)
    elif isinstance(value, list):
        for member in value:
            yield from _times(member)


def _lane_time(action: str, payload: Any) -> str | None:
    """Return the time that orders a transaction message, None for everything else."""
    if not isinstance(payload, Mapping):
        return None
    if action in ("StartTransaction", "StopTransaction", "TransactionEvent"):
        found = payload.get("timestamp")
        return found if isinstance(found, str) else None
    if action == "MeterValues" and "transactionId" in payload:
        return next(_times(payload.get("meterValue")), None)
    return None
