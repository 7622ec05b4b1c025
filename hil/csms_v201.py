"""A good OCPP 2.0.1 CSMS in the `ocpp` package's words: answers what a station sends and enters it into the book."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import ChargePoint, call_result

from hil.csms_peer import answers
from hil.csms_readings import register_in
from hil.csms_station import StationAnswers, known, samples_in
from hil.ledger_rows import Sample, Start, Stop, Transaction

results: Any = call_result  # the package wants its enums where the wire has their texts; it checks the texts itself


class Station201(StationAnswers, ChargePoint):
    """The CSMS's end of one 2.0.1 connection."""

    results = results
    acknowledged = (
        "ClearedChargingLimit",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
    )

    @answers("Authorize")
    def on_authorize(self, id_token: dict[str, Any], **_: Any) -> Any:
        return results.Authorize(id_token_info=self._id_token_info(id_token))

    @answers("StatusNotification")
    def on_status(self, connector_status: str, evse_id: int, connector_id: int, **_: Any) -> Any:
        self.desk.station(self.id).status[f"{evse_id}/{connector_id}"] = connector_status
        return results.StatusNotification()

    @answers("TransactionEvent")
    def on_transaction_event(
        self, event_type: str, timestamp: str, seq_no: int, transaction_info: dict[str, Any], **rest: Any
    ) -> Any:
        samples = samples_in(rest.get("meter_value") or [])
        row = self.desk.ledger.known(self.id, str(transaction_info["transaction_id"]))
        if row is None or seq_no not in row.seq_nos:
            row = self._row(event_type, timestamp, transaction_info, samples, rest)
        self.desk.ledger.own(self.arrival, row)
        action, at_s = self.arrival.action, self.arrival.at_s
        if self.desk.ledger.sequence(row, seq_no, action=action, at_s=at_s):
            _enter_event(row, transaction_info, samples, rest)
            if event_type == "Ended":
                self.desk.ledger.stop(self.id, row.transaction_id, self._stop(row, timestamp, transaction_info, rest))
        id_token = rest.get("id_token")
        return results.TransactionEvent(id_token_info=None if id_token is None else self._id_token_info(id_token))

    # ---- inside --------------------------------------------------------------------------------------------------

    def _row(
        self,
        event_type: str,
        timestamp: str,
        transaction_info: dict[str, Any],
        samples: tuple[Sample, ...],
        rest: dict[str, Any],
    ) -> Transaction:
        ledger, arrival = self.desk.ledger, self.arrival
        transaction_id = str(transaction_info["transaction_id"])
        if event_type != "Started":
            return ledger.row(self.id, transaction_id, at_s=arrival.at_s, action=arrival.action)
        evse = rest.get("evse") or {}
        token = rest.get("id_token") or {}
        start = Start(
            transaction_id=transaction_id,
            evse_id=evse.get("id"),
            connector_id=evse.get("connector_id"),
            id_token=token.get("id_token"),
            start_wh=_first_register(samples),
            at_utc=timestamp,
            at_s=arrival.at_s,
            remote_start_id=transaction_info.get("remote_start_id"),
        )
        return ledger.start(self.id, start, action=arrival.action)

    def _stop(self, row: Transaction, timestamp: str, transaction_info: dict[str, Any], rest: dict[str, Any]) -> Stop:
        ended = [sample for sample in row.samples if sample.register_wh is not None]
        stop_wh = register_in(ended[::-1], "Transaction.End")
        if stop_wh is None and ended:
            stop_wh = ended[-1].register_wh
        return Stop(
            stop_wh=stop_wh,
            at_utc=timestamp,
            at_s=self.arrival.at_s,
            reason=transaction_info.get("stopped_reason"),
            id_token=(rest.get("id_token") or {}).get("id_token"),
        )

    def _id_token_info(self, id_token: dict[str, Any]) -> dict[str, Any]:
        token = self.desk.script.token(str(id_token["id_token"]))
        group = None if token.parent is None else {"id_token": token.parent, "type": "Central"}
        return known({"status": token.status, "group_id_token": group, "cache_expiry_date_time": token.expiry_utc})


def _first_register(samples: tuple[Sample, ...]) -> float | None:
    begin = register_in(samples, "Transaction.Begin")
    if begin is not None:
        return begin
    return next((sample.register_wh for sample in samples if sample.register_wh is not None), None)


def _enter_event(
    row: Transaction, transaction_info: dict[str, Any], samples: tuple[Sample, ...], rest: dict[str, Any]
) -> None:
    """Enter what any event of a transaction may bring along."""
    row.samples += samples
    evse = rest.get("evse") or {}
    row.evse_id = row.evse_id if row.evse_id is not None else evse.get("id")
    row.connector_id = row.connector_id if row.connector_id is not None else evse.get("connector_id")
    if row.start_wh is None:
        row.start_wh = register_in(samples, "Transaction.Begin")
    if row.id_token is None:
        row.id_token = (rest.get("id_token") or {}).get("id_token")
    if row.remote_start_id is None:
        row.remote_start_id = transaction_info.get("remote_start_id")
    if rest.get("trigger_reason"):
        row.triggers.append(rest["trigger_reason"])
    if transaction_info.get("charging_state"):
        row.charging_states.append(transaction_info["charging_state"])
    row.offline_events += bool(rest.get("offline"))
