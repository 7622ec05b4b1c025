"""OCPP 1.6J as a dialect. Pure, without state; knows how the station is built, because 1.6 numbers its connectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from agent.lazy import lazily
from agent.model.commands import AnyOutcome, Command, TokenVerdict, TriggerKind
from agent.model.evse import EvseView
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.profiles import CompositeOutcome, GetComposite
from agent.model.sample import Sample
from agent.model.security import SecurityEventKind
from agent.model.station import EvseLayout
from agent.model.variables import Variable, VariableEntry
from agent.ocpp.dialect import FactAnswer, Message, Registration, Resolve, StationIdentity
from agent.ocpp.errors import Violation
from agent.ocpp.lenient import whole_of
from agent.ocpp.v16 import boot, keys
from agent.ocpp.v16.codes import CODE_OF
from agent.ocpp.v16.places import STATION, Connectors, Place
from agent.ocpp.wire_time import format_utc

if TYPE_CHECKING:
    from agent.ocpp.v16 import (
        answers,
        enums,
        incoming,
        maintenance,
        messages,
        outgoing,
        security,
        smart_charging,
        status,
    )
else:  # the boot notification needs none of these
    answers = lazily("agent.ocpp.v16.answers")
    enums = lazily("agent.ocpp.v16.enums")
    incoming = lazily("agent.ocpp.v16.incoming")
    maintenance = lazily("agent.ocpp.v16.maintenance")
    messages = lazily("agent.ocpp.v16.messages")
    outgoing = lazily("agent.ocpp.v16.outgoing")
    security = lazily("agent.ocpp.v16.security")
    smart_charging = lazily("agent.ocpp.v16.smart_charging")
    status = lazily("agent.ocpp.v16.status")


class Dialect16:
    """OCPP 1.6J.

    Args:
        evses: the station's EVSEs in the order of the station file; connectors are numbered 1, 2, 3 ... over all of
        them. vendor_id: whose ``vendorErrorCode`` it is (reverse domain name).
    """

    subprotocol = "ocpp1.6"
    answers_unreadable_ids = False
    answers_unknown_types = False
    silent_when_rejected = True
    triggered_measurands = ("SampledDataCtrlr", "TxUpdatedMeasurands")
    boots_again_after_reconnect = True
    reports_all_after_outage = False
    statuses_need_time = False
    transfers_files = True

    def __init__(self, evses: Sequence[EvseLayout], vendor_id: str = "charge-agent") -> None:
        self._evses = tuple(evses)
        self._connectors = Connectors(evses)
        self._vendor_id = vendor_id

    def error_code(self, violation: Violation) -> str:
        """Return the spelling of a CALLERROR code."""
        return CODE_OF[violation]

    def encode(self, message: Message) -> msgspec.Raw:
        """Return the payload's proven JSON."""
        if type(message.payload) is boot.BootNotificationRequest:
            return boot.CODEC.encode(message.payload)
        return messages.CODEC.encode(message.payload)

    def boot(self, identity: StationIdentity, reason: str) -> Message:
        """Return a BootNotification; 1.6 has no place for the reason."""
        payload = boot.BootNotificationRequest(
            charge_point_vendor=identity.vendor,
            charge_point_model=identity.model,
            charge_point_serial_number=identity.serial_number,
            charge_box_serial_number=None,
            firmware_version=identity.firmware_version,
            iccid=identity.iccid,
            imsi=identity.imsi,
            meter_type=identity.meter_type,
            meter_serial_number=identity.meter_serial_number,
        )
        return Message(action="BootNotification", payload=payload)

    def read_registration(self, payload: bytes) -> Registration:
        """Read the answer to ``boot``."""
        return incoming.registration(payload)

    def heartbeat(self) -> Message:
        """Return a Heartbeat."""
        return Message(action="Heartbeat", payload=messages.HeartbeatRequest())

    def read_heartbeat(self, payload: bytes) -> float | None:
        """Read the CSMS's time."""
        return incoming.heartbeat(payload)

    def statuses(self, views: Sequence[EvseView], station_operative: bool) -> Mapping[Place, str]:
        """Project the statuses: connector 0 first, then every connector."""
        view_of = {view.evse_id: view for view in views}
        texts = {STATION: status.project_station(views, station_operative).text}
        for evse_id, connector_id in self._connectors.places:
            if evse_id in view_of:
                projection = status.project_connector(view_of[evse_id], connector_id, station_operative)
                texts[evse_id, connector_id] = projection.text
        return texts

    def status(
        self, place: Place, views: Sequence[EvseView], station_operative: bool, at_utc_s: float | None
    ) -> Message:
        """Return a StatusNotification."""
        if place == STATION:
            projection = status.project_station(views, station_operative)
        else:
            view = next(view for view in views if view.evse_id == place[0])
            projection = status.project_connector(view, place[1], station_operative)
        payload = messages.StatusNotificationRequest(
            connector_id=self._connectors.number(*place),
            error_code=projection.error,
            status=projection.status,
            info=projection.info or None,
            timestamp=None if at_utc_s is None else format_utc(at_utc_s),
            vendor_id=self._vendor_id if projection.vendor_error else None,
            vendor_error_code=projection.vendor_error or None,
        )
        return Message(action="StatusNotification", payload=payload)

    def status_between(
        self, place: Place, told: str, views: Sequence[EvseView], station_operative: bool, at_utc_s: float | None
    ) -> Message | None:
        """Return the StatusNotification that the table of §4.9 puts between what was told and what is."""
        view = next((view for view in views if view.evse_id == place[0]), None)
        if view is None:  # connector 0 moves freely between its three
            return None
        after = status.project_connector(view, place[1], station_operative).status
        through = status.status_between(status.told_status(told), after, plugged=view.plugged is True)
        if through is None:
            return None
        payload = messages.StatusNotificationRequest(
            connector_id=self._connectors.number(*place),
            error_code=enums.ChargePointErrorCode.NO_ERROR,
            status=through,
            timestamp=None if at_utc_s is None else format_utc(at_utc_s),
        )
        return Message(action="StatusNotification", payload=payload)

    def authorize(self, token: IdToken) -> Message:
        """Return an Authorize."""
        return Message(action="Authorize", payload=messages.AuthorizeRequest(id_tag=outgoing.id_tag(token)))

    def read_authorization(self, payload: bytes) -> TokenVerdict:
        """Read the answer to ``authorize``."""
        return incoming.authorization(payload)

    def render(self, row: JournalRow, resolve: Resolve) -> Message | None:
        """Render a fact; ``None`` where 1.6 has no message for it."""
        return outgoing.render(row, self._connectors, resolve)

    def read_fact_answer(self, row: JournalRow, payload: bytes) -> FactAnswer:
        """Read the answer to a rendered fact."""
        return incoming.fact_answer(row, payload)

    def meter_values(self, view: EvseView | None, sample: Sample, resolve: Resolve) -> Message:
        """Return MeterValues outside the journal."""
        if view is None:
            return outgoing.meter_values(0, None, sample, resolve)
        number = self._connectors.number(view.evse_id, view.connector_id or view.connector_ids[0])
        named = view.transaction_id is not None and view.csms_id is not None
        transaction = whole_of({"id": view.csms_id}, "id") if named else None
        return outgoing.meter_values(number, transaction, sample, resolve)

    def security_event(self, event: SecurityEventKind, at_utc_s: float, text: str) -> Message | None:
        """Return a SecurityEventNotification outside the journal."""
        return security.live_security_event(event, at_utc_s, text)

    def sign_certificate(self, csr_pem: str) -> Message | None:
        """Return a SignCertificate."""
        return security.sign_certificate(csr_pem)

    def maintenance_status(
        self, kind: TriggerKind, firmware: FirmwareProgressed | None, upload: UploadProgressed | None
    ) -> Message | None:
        """Return a notification of how an update or an upload goes on, for a trigger."""
        return maintenance.triggered_status(kind, firmware, upload)

    def report(self, request_id: int, entries: Sequence[VariableEntry], generated_utc_s: float) -> Sequence[Message]:
        """1.6 has no reports."""
        return ()

    def command(self, action: str, payload: bytes) -> Command:
        """Read a CALL of the CSMS."""
        return incoming.command(action, payload, self._connectors)

    def answer(self, action: str, command: Command, outcome: AnyOutcome) -> Message:
        """Return the response to a command."""
        if isinstance(command, GetComposite) and isinstance(outcome, CompositeOutcome):
            payload = smart_charging.composite_response(command, outcome, self._connectors)
            return Message(action=action, payload=payload)
        return Message(action=action, payload=answers.response(action, outcome))

    def variables(self) -> Sequence[Variable]:
        """Return the variables that only 1.6 knows."""
        return keys.own_variables(self._evses)

    def live_variables(
        self, views: Sequence[EvseView], station_operative: bool, utc_s: float | None
    ) -> Mapping[str, str]:
        """No configuration key of 1.6 mirrors a state."""
        return {}

    def variable_key(self, name: str) -> str | None:
        """Return the book's key of a configuration key."""
        return keys.key_named(name)
