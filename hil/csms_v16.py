"""A good OCPP 1.6 CSMS in the `ocpp` package's words: answers what a station sends and enters it into the book."""

from __future__ import annotations

from typing import Any, Final

from ocpp.v16 import ChargePoint, call_result

from hil.csms_desk import Desk
from hil.csms_peer import Outbox, answers, empty_answer
from hil.csms_readings import read_samples
from hil.ledger_rows import Arrival, Start, Stop

results: Any = call_result  # the package wants its enums where the wire has their texts; it checks the texts itself

EMPTY_ANSWERS: Final = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "SecurityEventNotification",
    "SignedFirmwareStatusNotification",
)
"""Messages that a station sends and a CSMS only acknowledges."""


class Station16(ChargePoint):
    """The CSMS's end of one 1.6 connection. ``arrival`` is set by the peer before each frame."""

    arrival: Arrival

    def __init__(self, identity: str, desk: Desk, outbox: Outbox) -> None:
        super().__init__(identity, outbox)  # type: ignore[no-untyped-call]  # the package has no types
        self.desk = desk

    @answers("BootNotification")
    def on_boot(self, **_: Any) -> Any:
        return results.BootNotification(**self.desk.register(self.arrival))

    @answers("Heartbeat")
    def on_heartbeat(self) -> Any:
        return results.Heartbeat(current_time=self.desk.current_time())

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
            row.samples += read_samples(meter_value_on_the_wire(meter_value))
        return results.MeterValues()

    @answers("StopTransaction")
    def on_stop(self, meter_stop: int, timestamp: str, transaction_id: int, **rest: Any) -> Any:
        ledger = self.desk.ledger
        row = ledger.row(self.id, str(transaction_id), at_s=self.arrival.at_s, action=self.arrival.action)
        if not row.ended:
            row.samples += read_samples(meter_value_on_the_wire(rest.get("transaction_data") or []))
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

    @answers("DataTransfer")
    def on_data_transfer(self, vendor_id: str, **_: Any) -> Any:
        return results.DataTransfer(status="UnknownVendorId")

    @answers("SignCertificate")
    def on_sign_certificate(self, **_: Any) -> Any:
        return results.SignCertificate(status="Rejected")

    def _id_tag_info(self, id_tag: str) -> dict[str, Any]:
        token = self.desk.script.token(id_tag)
        info = {"status": token.status, "parent_id_tag": token.parent, "expiry_date": token.expiry_utc}
        return {key: value for key, value in info.items() if value is not None}


for _action in EMPTY_ANSWERS:
    setattr(Station16, f"on_{_action}", empty_answer(_action, getattr(results, _action)))


def meter_value_on_the_wire(meter_value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Undo what the package did to the one name in 1.6 meter values that has two words."""
    return [{"timestamp": each["timestamp"], "sampledValue": each["sampled_value"]} for each in meter_value]
