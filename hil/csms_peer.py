"""One station's connection: the frame road between the socket, the script, the book and the `ocpp` package.

The package does the framing, the schema checks and the routing; this module decides, per frame and as scripted, whether
and when its answer goes out, and records both directions.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import ocpp.messages
import ocpp.routing
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, CallResult, validate_payload
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from hil.csms_desk import Desk
from hil.csms_frames import Direction, FrameKind
from hil.csms_script import Manner, Rule, merge_patch
from hil.ledger_rows import Arrival, ProblemKind
from hil.plain_json import read_json

# A frame is booked in the same step of the loop as it is recorded, so that whoever waits for it finds it in the book.
ocpp.messages.ASYNC_VALIDATION = False

_package: Any = ocpp.messages  # the package has no types
_on: Any = ocpp.routing.on

log: Final = logging.getLogger("hil.csms")


class CallFailed(Exception):
    """A CALL to the station came to nothing: not connected, not answered in time, connection lost."""


class Station(Protocol):
    """The `ocpp` package's charge point with our answers in it (`csms_v16`, `csms_v201`)."""

    arrival: Arrival
    desk: Desk

    async def route_message(self, raw_msg: str) -> None:
        """Check and answer one frame through the connection it was made with."""


class Outbox:
    """Stands where the `ocpp` package expects a connection, and keeps what it sends."""

    def __init__(self) -> None:
        self._sent: list[str] = []

    async def send(self, message: str) -> None:
        """Keep an answer until the script has decided about it."""
        self._sent.append(message)

    def take(self) -> str | None:
        """Return the answer and forget it; None when there was none."""
        sent, self._sent = self._sent, []
        return sent[0] if sent else None


class Peer:
    """One connection of one station, from the upgrade to its end."""

    def __init__(
        self, desk: Desk, connection: ServerConnection, identity: str, version: str, station: Station, outbox: Outbox
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._station = station
        self._outbox = outbox
        self._version = version
        self._pending: dict[str, tuple[str, asyncio.Future[dict[str, Any]]]] = {}
        self._given_up: dict[str, str] = {}
        self._asked: dict[str, str] = {}
        self._unanswered: dict[str, str] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self.identity = identity
        self.number = desk.station(identity).connections

    async def serve(self) -> None:
        """Answer the station until the connection ends."""
        try:
            async for raw in self._connection:
                await self._receive(raw)
        except ConnectionClosed:
            pass  # how it ended is recorded by the server
        finally:
            for task in self._late:
                task.cancel()
            for _, future in self._pending.values():
                if not future.done():
                    future.set_exception(CallFailed(f"{self.identity} disconnected before it answered"))

    async def call(
        self, action: str, payload: dict[str, Any], *, timeout_s: float, checked: bool = True, queued: bool = True
    ) -> dict[str, Any]:
        """Send a CALL and return the station's answer.

        Args:
            action: any; checked against the schemas of the connection's version unless ``checked`` is false.
            payload: as on the wire.
            timeout_s: how long the station may take.
            queued: wait until the CALL before is answered, as the standard wants it.

        Returns:
            {"payload": …} or {"error": {"code", "text", "details"}}, with "message_id".

        Raises:
            CallFailed: no answer in time, connection lost, or the payload is not valid.
        """
        self._desk.station(self.identity).asked_while_pending = True
        message: Call = _package.Call(str(uuid.uuid4()), action, payload)
        if checked:
            try:
                await validate_payload(message, self._version)
            except OCPPError as exc:
                raise CallFailed(f"{action} is not valid in OCPP {self._version}: {exc}") from exc
        if not queued:
            return await self._ask(message, timeout_s)
        async with self._turn:
            return await self._ask(message, timeout_s)

    async def close(self, code: int, reason: str) -> None:
        """Close with a close frame."""
        await self._connection.close(code, reason)

    def abort(self) -> None:
        """Drop the TCP connection without a close frame."""
        self._connection.transport.abort()

    async def send(self, text: str) -> None:
        """Send a frame as it is and record it."""
        kind, action, message_id, payload = _describe(text)
        action = action or self._asked.get(str(message_id))
        self._unanswered.pop(str(message_id), None)
        self._record(Direction.OUT, kind, text, action=action, message_id=message_id, payload=payload)
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            log.info("%s: gone before %s could be sent", self.identity, kind.value)

    # ---- inside --------------------------------------------------------------------------------------------------

    async def _ask(self, message: Call, timeout_s: float) -> dict[str, Any]:
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[message.unique_id] = (message.action, future)
        try:
            await self.send(str(_package.pack(message)))
            async with asyncio.timeout(timeout_s):
                answer = await future
        except TimeoutError as exc:
            self._given_up[message.unique_id] = message.action
            raise CallFailed(f"{self.identity} did not answer {message.action} within {timeout_s:g} s") from exc
        finally:
            self._pending.pop(message.unique_id, None)
        return {"message_id": message.unique_id, **answer}

    async def _receive(self, raw: str | bytes) -> None:
        if isinstance(raw, bytes):
            self._garbage(raw.hex(), "binary frame, expected text")
            return
        try:
            message = _package.unpack(raw)
        except (OCPPError, RecursionError) as exc:
            self._garbage(raw, f"not an OCPP-J frame: {exc}")
            return
        kind, action, message_id, payload = _describe(raw)
        if isinstance(message, Call) and isinstance(action, str) and isinstance(message_id, str):
            self._record(Direction.IN, kind, raw, action=action, message_id=message_id, payload=payload)
            self._asked[message_id] = action
            arrival = self._desk.arrival(self.identity, action, message_id, payload)
            await self._treat(arrival, message, raw, self._desk.script.take(action))
            self._desk.frames.changed()
        elif isinstance(message, Call):
            self._garbage(raw, "a CALL needs a text as id and as action, and finite numbers, not deeply nested")
        else:
            await self._take_answer(message, raw)

    def _garbage(self, text: str, problem: str) -> None:
        self._record(Direction.IN, FrameKind.GARBAGE, text)
        self._desk.note(self.identity, ProblemKind.FRAME, problem)

    async def _treat(self, arrival: Arrival, message: Call, raw: str, rule: Rule) -> None:
        """Answer a CALL as the script says."""
        self._check_manners(arrival)
        if rule.manner is Manner.CALLERROR:
            self._refused(arrival, message.payload)
            await self.send(_package.CallError(arrival.message_id, rule.code, rule.text, {}).to_json())
            return
        if rule.manner is Manner.SILENT and not rule.booked:
            return
        answer = await self._answer(arrival, raw)
        if answer is None or rule.manner is Manner.SILENT:
            return
        if rule.manner is Manner.RESULT:
            type_id, message_id, payload, *rest = json.loads(answer)
            answer = json.dumps([type_id, message_id, merge_patch(payload, rule.patch), *rest])
        if rule.manner is Manner.LATE:
            task = asyncio.create_task(self._send_late(answer, rule.seconds))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return
        await self.send(answer)

    def _check_manners(self, arrival: Arrival) -> None:
        """Note a CALL that a station may not send now. Source: OCPP 1.6 section 4.2, OCPP-J 1.6 section 4.1.1."""
        card = self._desk.station(self.identity)
        barred = card.registration == "Rejected" or (card.registration == "Pending" and not card.asked_while_pending)
        if barred and arrival.action != "BootNotification":
            text = f"{arrival.action} although the registration is {card.registration}"
            self._desk.note(self.identity, ProblemKind.UNREGISTERED, text)
        if self._unanswered:
            text = f"{arrival.action} while {', '.join(self._unanswered.values())} was unanswered"
            self._desk.note(self.identity, ProblemKind.PIPELINED, text)
            self._unanswered.clear()
        self._unanswered[arrival.message_id] = arrival.action

    async def _send_late(self, answer: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.send(answer)

    async def _answer(self, arrival: Arrival, raw: str) -> str | None:
        """Return the good answer: the old one for a retry, else what the `ocpp` package makes of it."""
        known = self._desk.recall(arrival)
        if known is not None:
            self._desk.ledger.arrive(arrival)
            return known
        self._station.arrival = arrival
        await self._station.route_message(raw)
        answer = self._outbox.take()
        if answer is None:
            self._desk.note(self.identity, ProblemKind.CSMS_FAILED, f"no answer made to {arrival.action}")
            return None
        type_id, _, *rest = json.loads(answer)
        if type_id == CallResult.message_type_id:
            if arrival.lane_utc is not None:
                self._desk.remember(arrival, answer)
            return answer
        code, text, details = rest
        kind = ProblemKind.CSMS_FAILED if code == "InternalError" else ProblemKind.SCHEMA
        cause = details.get("cause", details) if isinstance(details, dict) else details
        self._desk.note(self.identity, kind, f"{arrival.action}: {code}: {text} {cause}")
        return answer

    def _refused(self, arrival: Arrival, payload: Any) -> None:
        """Count a refusal where the payload, which nobody has checked, names its transaction."""
        match payload:
            case {"transactionId": known} | {"transactionInfo": {"transactionId": known}}:
                self._desk.ledger.refuse(self.identity, str(known), arrival.action)

    async def _take_answer(self, message: CallResult | CallError, raw: str) -> None:
        kind, _, message_id, payload = _describe(raw)
        action, future = self._pending.get(str(message_id), (None, None))
        action = action or self._given_up.get(str(message_id))
        self._record(Direction.IN, kind, raw, action=action, message_id=message_id, payload=payload)
        if action is None or kind is FrameKind.GARBAGE:
            self._desk.note(self.identity, ProblemKind.FRAME, f"an answer to nothing: id {message_id!r}")
            return
        if isinstance(message, CallResult):
            try:
                message.action = action
                await validate_payload(message, self._version)
            except OCPPError as exc:
                self._desk.note(self.identity, ProblemKind.SCHEMA, f"answer to {action}: {exc}")
            answer: dict[str, Any] = {"payload": payload}
        else:
            code, text, details = payload
            answer = {"error": {"code": code, "text": text, "details": details}}
        if future is not None and not future.done():
            future.set_result(answer)

    def _record(self, direction: Direction, kind: FrameKind, text: str, **details: Any) -> None:
        self._desk.record(self.identity, self.number, direction, kind, text, **details)


def _describe(text: str) -> tuple[FrameKind, str | None, str | None, Any]:
    """Read (kind, action, message id, payload) off a frame; anything unreadable is garbage."""
    try:
        frame = read_json(text)
    except ValueError:
        return FrameKind.GARBAGE, None, None, None
    match frame:
        case [2, message_id, action, payload]:
            return FrameKind.CALL, action, message_id, payload
        case [3, message_id, payload]:
            return FrameKind.RESULT, None, message_id, payload
        case [4, message_id, code, error_text, *details]:
            error = [code, error_text, details[0] if details else {}]
            return FrameKind.ERROR, None, message_id, error
    return FrameKind.GARBAGE, None, None, None


Answering = TypeVar("Answering", bound=Callable[..., Any])


def answers(action: str) -> Callable[[Answering], Answering]:
    """Mark the method that answers an action. A CALL that passed the schema checks is first entered into the book."""

    def mark(method: Answering) -> Answering:
        @functools.wraps(method)
        def entered(station: Station, **fields: Any) -> Any:
            station.desk.ledger.arrive(station.arrival)
            return method(station, **fields)

        routed: Answering = _on(action)(entered)
        return routed

    return mark


def empty_answer(action: str, result: Callable[[], Any]) -> Callable[..., Any]:
    """Make the method that answers an action with nothing in it."""

    def acknowledge(_station: Station, **_: Any) -> Any:
        return result()

    acknowledge.__name__ = f"on_{action}"  # the package finds its methods by name
    return answers(action)(acknowledge)
