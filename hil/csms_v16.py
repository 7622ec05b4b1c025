"""A good OCPP 1.6 CSMS in the `ocpp` package's words: answers what a station sends and enters it into the book."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import ChargePoint, call_result

from hil.csms_peer import answers
from hil.csms_station import StationAnswers, known, samples_in
from hil.ledger_rows import Start, Stop

results: Any = call_result  # the package wants its enums where the wire has their texts; it checks the texts itself


class Station16(StationAnswers, ChargePoint):
    """The CSMS's end of one 1.6 connection."""

    results = results
    acknowledged = (
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignedFirmwareStatusNotification",
    )

    @answers("Authorize")
    def on_authorize(self, id_tag: str) -> Any:
        return results.Authorize(id_tag_info=self._id_tag_info(id_tag))

    @answers("StatusNotification")
    def on_status(self, connector_id: int, status: str, **_: Any) -> Any:
        self.desk.station(self.id).status[str(connector_id)] = status
        return results.StatusNotification()

    @answers("StartTransaction")
    def on_start(self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: Any) -> Any:
        start = Start(
            transaction_id=None,
            evse_id=connector_id,
            connector_id=connector_id,
            id_token=id_tag,
            start_wh=meter_start,
            at_utc=timestamp,
            at_s=self.arrival.at_s,
        )
        row = self.desk.ledger.start(self.id, start)
        self.desk.ledger.own(self.arrival, row)
        return results.StartTransaction(transaction_id=int(row.transaction_id), id_tag_info=self._id_tag_info(id_tag))

    @answers("MeterValues")
    def on_meter_values(self, connector_id: int, meter_value: list[dict[str, Any]], **rest: Any) -> Any:
        transaction_id = rest.get("transaction_id")
        if transaction_id is not None:
            ledger = self.desk.ledger
            row = ledger.row(self.id, str(transaction_id), at_s=self.arrival.at_s, action=self.arrival.action)
            ledger.own(self.arrival, row)
            row.samples += samples_in(meter_value)
        return results.MeterValues()

    @answers("StopTransaction")
    def on_stop(self, meter_stop: int, timestamp: str, transaction_id: int, **rest: Any) -> Any:
        ledger = self.desk.ledger
        row = ledger.row(self.id, str(transaction_id), at_s=self.arrival.at_s, action=self.arrival.action)
        if not row.ended:
            row.samples += samples_in(rest.get("transaction_data") or [])
        id_tag = rest.get("id_tag")
        stop = Stop(
            stop_wh=meter_stop,
            at_utc=timestamp,
            at_s=self.arrival.at_s,
            reason=rest.get("reason"),
            id_token=id_tag,
        )
        ledger.stop(self.id, str(transaction_id), stop)
        ledger.own(self.arrival, row)
        return results.StopTransaction(id_tag_info=None if id_tag is None else self._id_tag_info(id_tag))

    def _id_tag_info(self, id_tag: str) -> dict[str, Any]:
        token = self.desk.script.token(id_tag)
        return known({"status": token.status, "parent_id_tag": token.parent, "expiry_date": token.expiry_utc})
