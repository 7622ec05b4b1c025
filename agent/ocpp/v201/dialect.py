"""OCPP 2.0.1 as a dialect. Pure and without state; knows how the station is built, because its device model says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from agent.model.commands import AnyOutcome, Command, TokenVerdict, TriggerKind
from agent.model.evse import EvseView
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.sample import Sample
from agent.model.security import SecurityEventKind
from agent.model.station import EvseLayout
from agent.model.variables import Variable, VariableEntry
from agent.ocpp.dialect import FactAnswer, Message, Registration, Resolve, StationIdentity
from agent.ocpp.errors import LocalProtocolError, Violation
from agent.ocpp.v201 import answers, enums, incoming, messages, outgoing, security, status, types, variables
from agent.ocpp.v201.codes import CODE_OF
from agent.ocpp.wire_time import format_utc

_BOOT_REASON_OF: Final[Mapping[str, enums.BootReason]] = MappingProxyType(
    {
        "application_reset": enums.BootReason.APPLICATION_RESET,
        "firmware_update": enums.BootReason.FIRMWARE_UPDATE,
        "local_reset": enums.BootReason.LOCAL_RESET,
        "power_up": enums.BootReason.POWER_UP,
        "remote_reset": enums.BootReason.REMOTE_RESET,
        "scheduled_reset": enums.BootReason.SCHEDULED_RESET,
        "triggered": enums.BootReason.TRIGGERED,
        "watchdog": enums.BootReason.WATCHDOG,
    }
)


class Dialect201:
    """OCPP 2.0.1. ``evses``: the station's EVSEs in the order of the station file."""

    subprotocol = "ocpp2.0.1"
    answers_unreadable_ids = True
    answers_unknown_types = True
    silent_when_rejected = False
    triggered_measurands = ("AlignedDataCtrlr", "Measurands")
    boots_again_after_reconnect = False
    reports_all_after_outage = True
    statuses_need_time = True
    transfers_files = False

    def __init__(self, evses: Sequence[EvseLayout]) -> None:
        self._variables = tuple(variables.own_variables(evses))

    def error_code(self, violation: Violation) -> str:
        """Return the spelling of a CALLERROR code."""
        return CODE_OF[violation]

    def encode(self, message: Message) -> msgspec.Raw:
        """Return the payload's proven JSON."""
        return messages.CODEC.encode(message.payload)

    def boot(self, identity: StationIdentity, reason: str) -> Message:
        """Return a BootNotification; an unknown reason is ``Unknown``."""
        modem = types.Modem(iccid=identity.iccid, imsi=identity.imsi) if identity.iccid or identity.imsi else None
        station = types.ChargingStation(
            model=identity.model,
            vendor_name=identity.vendor,
            serial_number=identity.serial_number,
            modem=modem,
            firmware_version=identity.firmware_version,
        )
        boot_reason = _BOOT_REASON_OF.get(reason, enums.BootReason.UNKNOWN)
        payload = messages.BootNotificationRequest(charging_station=station, reason=boot_reason)
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

    def statuses(self, views: Sequence[EvseView], station_operative: bool) -> Mapping[status.Place, str]:
        """Project the status of every connector; the station and EVSEs have none of their own."""
        return status.statuses(views, station_operative)

    def status(
        self, place: status.Place, views: Sequence[EvseView], station_operative: bool, at_utc_s: float | None
    ) -> Message:
        """Return a StatusNotification.

        Raises:
            LocalProtocolError: without a time of day.
        """
        if at_utc_s is None:
            raise LocalProtocolError("a StatusNotification of OCPP 2.0.1 needs a time of day")
        view = next(view for view in views if view.evse_id == place[0])
        payload = messages.StatusNotificationRequest(
            timestamp=format_utc(at_utc_s),
            connector_status=status.project(view, place[1], station_operative),
            evse_id=place[0],
            connector_id=place[1],
        )
        return Message(action="StatusNotification", payload=payload)

    def status_between(
        self,
        place: tuple[int, int],
        told: str,
        views: Sequence[EvseView],
        station_operative: bool,
        at_utc_s: float | None,
    ) -> Message | None:
        """Return nothing: from every status of 2.0.1 any other may follow."""
        return None

    def authorize(self, token: IdToken) -> Message:
        """Return an Authorize."""
        return Message(action="Authorize", payload=messages.AuthorizeRequest(id_token=outgoing.id_token(token)))

    def read_authorization(self, payload: bytes) -> TokenVerdict:
        """Read the answer to ``authorize``."""
        return incoming.authorization(payload)

    def render(self, row: JournalRow, resolve: Resolve) -> Message | None:
        """Render a fact as a TransactionEvent."""
        return outgoing.render(row, resolve)

    def read_fact_answer(self, row: JournalRow, payload: bytes) -> FactAnswer:
        """Read the answer to a rendered fact."""
        return incoming.fact_answer(row, payload)

    def meter_values(self, view: EvseView | None, sample: Sample, resolve: Resolve) -> Message:
        """Return MeterValues outside the journal."""
        return outgoing.meter_values(0 if view is None else view.evse_id, sample, resolve)

    def security_event(self, event: SecurityEventKind, at_utc_s: float, text: str) -> Message | None:
        """Return a SecurityEventNotification outside the journal."""
        return security.live_security_event(event, at_utc_s, text)

    def sign_certificate(self, csr_pem: str) -> Message | None:
        """Return nothing: certificates of 2.0.1 are not asked for."""
        return None

    def maintenance_status(
        self, kind: TriggerKind, firmware: FirmwareProgressed | None, upload: UploadProgressed | None
    ) -> Message | None:
        """Return nothing: updates and uploads of 2.0.1 are not taken."""
        return None

    def report(self, request_id: int, entries: Sequence[VariableEntry], generated_utc_s: float) -> Sequence[Message]:
        """Return the parts of a NotifyReport."""
        return variables.report(request_id, entries, generated_utc_s)

    def command(self, action: str, payload: bytes) -> Command:
        """Read a CALL of the CSMS."""
        return incoming.command(action, payload)

    def answer(self, action: str, command: Command, outcome: AnyOutcome) -> Message:
        """Return the response to a command."""
        return Message(action=action, payload=answers.response(action, outcome))

    def variables(self) -> Sequence[Variable]:
        """Return the device model of the station as it is built."""
        return self._variables

    def live_variables(
        self, views: Sequence[EvseView], station_operative: bool, utc_s: float | None
    ) -> Mapping[str, str]:
        """Return the variables that mirror a state."""
        return status.live_variables(views, station_operative, utc_s)

    def variable_key(self, name: str) -> str | None:
        """Return the book's key of ``Component.Variable[Instance]``."""
        return variables.key_named(name, self._variables)
