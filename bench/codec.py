"""Microseconds to make and to read a CALL, validated at both ends: ours and the package ``ocpp``.

Making is everything from the library's typed payload to the text on the wire, reading everything from that text to
the typed (or, with ``ocpp``, snake-cased) payload, as each library does it around its own ``call`` and handlers. Ours
proves what it writes by reading it back; ``ocpp`` holds both against the JSON schemas, here in the calling thread
(``ASYNC_VALIDATION`` off), which is faster than its default.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from ocpp import charge_point as _charge_point
from ocpp import messages as _messages
from ocpp.v16 import call as call16
from ocpp.v201 import call as call201

from agent.ocpp import rpc
from agent.ocpp.codec import Codec
from agent.ocpp.v16 import messages as messages16
from agent.ocpp.v201 import messages as messages201
from bench.progress import say
from bench.tables import Outcome, at_most, grid

peer: Any = _charge_point  # the library is not typed
peer_messages: Any = _messages

TARGET: Final = 0.02
ROUNDS: Final = 9
LOOPS: Final = 150  # of ocpp's; ours does ten times as many
MESSAGE_ID: Final = "01b8a7a2-5a0e-4b7e-8c0b-3b6f0f4c9d11"
_AT: Final = "2026-11-20T12:00:00.000Z"


def run(*, quick: bool) -> Outcome:
    """Measure every message."""
    rounds, loops = (1, 5) if quick else (ROUNDS, LOOPS)
    peer_messages.ASYNC_VALIDATION = False
    rows: dict[str, Sequence[str]] = {}
    verdicts = []
    for name, (version, action, payload) in samples().items():
        say(f"codec: {name}")
        ours, theirs = _ours(version, action, payload), _theirs(version, action, payload)
        times: dict[str, list[float]] = {key: [] for key in ("make", "read", "their make", "their read")}
        for _ in range(rounds):
            times["their make"].append(asyncio.run(_timed_async(theirs[0], loops)))
            times["make"].append(_timed(ours[0], loops * 10))
            times["their read"].append(asyncio.run(_timed_async(theirs[1], loops)))
            times["read"].append(_timed(ours[1], loops * 10))
        make, read, their_make, their_read = (statistics.median(times[key]) for key in times)
        share = (make + read) / (their_make + their_read)
        cells = [f"{value:.1f}" for value in (make, read, their_make, their_read)]
        rows[name] = (*cells, f"x{share:.4f}")
        verdicts.append(at_most(f"codec: {name}, ours / ocpp", share, TARGET))
    columns = ("make", "read", "ocpp make", "ocpp read", "both / ocpp")
    title = f"codec, µs per CALL, validated at both ends; medians of {rounds} rounds, interleaved"
    return Outcome(table=grid(title, columns, rows), verdicts=verdicts)


def samples() -> Mapping[str, tuple[str, str, dict[str, Any]]]:
    """Return version, action and payload by a name for people."""
    boot = {
        "chargePointVendor": "Bench",
        "chargePointModel": "Simulated",
        "chargePointSerialNumber": "0001",
        "firmwareVersion": "1.0",
    }
    values16 = {"connectorId": 1, "transactionId": 4711, "meterValue": [_values16(20)]}
    stop = {
        "transactionId": 4711,
        "idTag": "04A2B3C4D5",
        "meterStop": 123456,
        "timestamp": _AT,
        "reason": "Local",
        "transactionData": [_values16(2)],
    }
    event = {
        "eventType": "Updated",
        "timestamp": _AT,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 7,
        "transactionInfo": {"transactionId": "01HF2Z8J6W3V4X5Y6Z7A8B9C0D", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [_values201(4)],
    }
    return {
        "BootNotification 1.6": ("1.6", "BootNotification", boot),
        "MeterValues 1.6, 20 values": ("1.6", "MeterValues", values16),
        "StopTransaction 1.6": ("1.6", "StopTransaction", stop),
        "TransactionEvent 2.0.1, 4 values": ("2.0.1", "TransactionEvent", event),
        "TransactionEvent 2.0.1, 20 values": ("2.0.1", "TransactionEvent", event | {"meterValue": [_values201(20)]}),
    }


def _values16(count: int) -> dict[str, Any]:
    one = {"context": "Sample.Periodic", "measurand": "Voltage", "unit": "V"}
    phases = ("L1-N", "L2-N", "L3-N")
    return {
        "timestamp": _AT,
        "sampledValue": [one | {"value": f"23{i % 10}.{i % 7}", "phase": phases[i % 3]} for i in range(count)],
    }


def _values201(count: int) -> dict[str, Any]:
    one = {"context": "Sample.Periodic", "measurand": "Voltage", "unitOfMeasure": {"unit": "V"}}
    phases = ("L1-N", "L2-N", "L3-N")
    return {
        "timestamp": _AT,
        "sampledValue": [one | {"value": 230 + i / 8, "phase": phases[i % 3]} for i in range(count)],
    }


def _ours(version: str, action: str, payload: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    codec: Codec = (messages16 if version == "1.6" else messages201).CODEC
    message = codec.decode_request(action, msgspec.json.encode(payload))

    def make() -> str:
        return rpc.encode(rpc.Call(message_id=MESSAGE_ID, action=action, payload=codec.encode(message)))

    text = make()

    def read() -> object:
        frame = rpc.decode(text)
        assert isinstance(frame, rpc.Call)
        return codec.decode_request(frame.action, frame.payload)

    assert read() == message
    return make, read


def _theirs(version: str, action: str, payload: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    kind = getattr(call16 if version == "1.6" else call201, action)
    typed = kind(**peer.camel_to_snake_case(payload))

    async def make() -> str:
        camel = peer.snake_to_camel_case(peer.serialize_as_dict(typed))
        call = peer_messages.Call(unique_id=MESSAGE_ID, action=action, payload=peer.remove_nones(camel))
        await peer_messages.validate_payload(call, version)
        return str(call.to_json())

    text = asyncio.run(make())

    async def read() -> object:
        call = peer_messages.unpack(text)
        await peer_messages.validate_payload(call, version)
        return peer.camel_to_snake_case(call.payload)

    return make, read


def _timed(work: Callable[[], Any], loops: int) -> float:
    """Return microseconds per call."""
    begin_s = time.perf_counter()
    for _ in range(loops):
        work()
    return 1e6 * (time.perf_counter() - begin_s) / loops


async def _timed_async(work: Callable[[], Any], loops: int) -> float:
    begin_s = time.perf_counter()
    for _ in range(loops):
        await work()
    return 1e6 * (time.perf_counter() - begin_s) / loops
