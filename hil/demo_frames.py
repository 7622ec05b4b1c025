"""What an OCPP message says, in a few words, in either version. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hil.csms_readings import read_samples

Frame = Mapping[str, Any]
"""A record of the CSMS as its verb ``messages`` answers it."""

UNSPOKEN: Final = frozenset({"Heartbeat"})
TOLD_MEASURANDS: Final = (("Power.Active.Import", "kW"), ("Current.Import", "A"))
PERIODIC: Final = frozenset({"MeterValuePeriodic", "MeterValueClock"})
_THOUSANDS: Final = "\u202f"


def watt_hours(energy_wh: float | None) -> str:
    """Return an energy with its unit, thousands set apart; what is unknown says so."""
    if energy_wh is None:
        return "unknown Wh"
    return f"{energy_wh:,.10g} Wh".replace(",", _THOUSANDS)


def call_words(frame: Frame) -> str:
    """Return the action of a CALL and what matters in its payload."""
    action, payload = str(frame["action"]), frame["payload"]
    if not isinstance(payload, Mapping):
        return action
    words = {
        "BootNotification": _boot,
        "StatusNotification": _status,
        "Authorize": lambda p: _token(p) or "",
        "StartTransaction": lambda p: watt_hours(p.get("meterStart")),
        "MeterValues": _meter_values,
        "StopTransaction": _stop,
        "TransactionEvent": _transaction_event,
    }.get(action, _plain_values)(payload)
    return f"{action} {words}".rstrip()


def answer_words(frame: Frame) -> str:
    """Return what an answer says; nothing when it only acknowledges."""
    payload = frame["payload"]
    if frame["kind"] == "error":
        return f"CALLERROR {payload[0]}" if isinstance(payload, Sequence) and payload else "CALLERROR"
    if not isinstance(payload, Mapping):
        return ""
    told = [str(each) for each in (payload.get("status"), _member(payload, "idTagInfo", "idTokenInfo")) if each]
    if frame["action"] == "StartTransaction" and "transactionId" in payload:
        told.insert(0, str(payload["transactionId"]))
    if frame["action"] == "BootNotification" and payload.get("status") == "Accepted":
        told.append(f"heartbeat {payload.get('interval')} s")
    return ", ".join(told)


def is_periodic(frame: Frame) -> bool:
    """Say whether a CALL only brings meter values that come again and again."""
    payload = frame["payload"]
    if not isinstance(payload, Mapping):
        return False
    if frame["action"] == "MeterValues":
        return True
    return payload.get("eventType") == "Updated" and payload.get("triggerReason") in PERIODIC


def accepted(frame: Frame | None) -> bool:
    """Say whether an answer accepts a token or a request."""
    if frame is None or frame["kind"] != "result" or not isinstance(frame["payload"], Mapping):
        return False
    payload = frame["payload"]
    return "Accepted" in (payload.get("status"), _member(payload, "idTagInfo", "idTokenInfo"))


def frame_key(frame: Frame) -> tuple[str, str, str]:
    """Return what a CALL and its answer share: the station, who asked, and the message id."""
    asked = {"in": "out", "out": "in"}[frame["direction"]] if frame["kind"] != "call" else frame["direction"]
    return str(frame["identity"]), str(asked), str(frame["message_id"])


def _member(payload: Mapping[str, Any], *names: str) -> Any:
    return next((payload[name].get("status") for name in names if isinstance(payload.get(name), Mapping)), None)


def _token(payload: Mapping[str, Any]) -> str | None:
    token = payload.get("idToken", payload.get("idTag"))
    if isinstance(token, Mapping):
        token = token.get("idToken")
    return None if token is None else str(token)


def _boot(payload: Mapping[str, Any]) -> str:
    station = payload.get("chargingStation")
    if isinstance(station, Mapping):
        return f"{station.get('vendorName')} {station.get('model')}, {payload.get('reason')}"
    return f"{payload.get('chargePointVendor')} {payload.get('chargePointModel')}"


def _status(payload: Mapping[str, Any]) -> str:
    if "connectorStatus" in payload:
        return f"EVSE {payload.get('evseId')} {payload['connectorStatus']}"
    where = "station" if payload.get("connectorId") == 0 else f"connector {payload.get('connectorId')}"
    error = payload.get("errorCode", "NoError")
    return f"{where} {payload.get('status')}" + ("" if error == "NoError" else f" ({error})")


def _stop(payload: Mapping[str, Any]) -> str:
    reason = payload.get("reason", "Local")
    told = f"{payload.get('transactionId')}, {watt_hours(payload.get('meterStop'))}"
    return told if reason == "Local" else f"{told}, {reason}"


def _transaction_event(payload: Mapping[str, Any]) -> str:
    told = [f"{payload.get('eventType')} #{payload.get('seqNo')}"]
    trigger, transaction = payload.get("triggerReason"), payload.get("transactionInfo")
    if trigger not in PERIODIC:
        told.append(str(trigger))
        if isinstance(transaction, Mapping):
            told += [str(transaction[name]) for name in ("chargingState", "stoppedReason") if name in transaction]
    return ", ".join([*told, *_readings(payload.get("meterValue"))])


def _meter_values(payload: Mapping[str, Any]) -> str:
    owner = payload.get("transactionId", f"connector {payload.get('connectorId', payload.get('evseId'))}")
    return ", ".join([str(owner), *_readings(payload.get("meterValue"))])


def _readings(meter_value: Any) -> list[str]:
    """Return the newest register, power and current of a list of meter values."""
    if not isinstance(meter_value, list) or not meter_value:
        return []
    newest = read_samples(meter_value)[-1]
    told = [] if newest.register_wh is None else [watt_hours(newest.register_wh)]
    for measurand, unit in TOLD_MEASURANDS:
        found = [_number(each, unit) for each in newest.values if each.get("measurand") == measurand]
        known = [value for value in found if value is not None]
        if known:
            told.append(f"{max(known):.4g} {unit}")
    return told


def _number(value: Mapping[str, Any], unit: str) -> float | None:
    unit_of_measure = value.get("unitOfMeasure", {})
    given = value.get("unit", unit_of_measure.get("unit"))
    try:
        number = float(value["value"]) * 10.0 ** int(unit_of_measure.get("multiplier", 0))
    except (TypeError, ValueError):
        return None
    return number / 1000.0 if (given, unit) == ("W", "kW") else number


def _plain_values(payload: Mapping[str, Any]) -> str:
    return " ".join(str(each) for each in payload.values() if isinstance(each, str | int | float))
