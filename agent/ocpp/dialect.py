"""What an OCPP version must be able to do for the session. One object per version; pure; no state.

A dialect turns neutral values into messages and back. It decides nothing about charging and nothing about delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from agent.model.commands import AnyOutcome, Command, TokenVerdict, TriggerKind
from agent.model.evse import EvseView
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.moment import Stamp
from agent.model.sample import Sample
from agent.model.security import SecurityEventKind
from agent.model.variables import Variable, VariableEntry
from agent.ocpp.errors import Violation


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An outgoing message: its action and its typed payload (a msgspec Struct of the dialect)."""

    action: str
    payload: Any


class StationIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the station says it is when it boots."""

    vendor: str
    model: str
    serial_number: str | None = None
    firmware_version: str | None = None
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """The CSMS's answer to a boot notification.

    Attributes:
        status: ``accepted``, ``pending`` or ``rejected``.
        interval_s: heartbeat interval, or the least wait before the next try; ``None``, 0 or nonsense: own choice.
        utc_s: the CSMS's time; ``None`` where it is missing or cannot be read.
    """

    status: str
    interval_s: int | None
    utc_s: float | None


class FactAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer to a rendered fact says: the CSMS's name for the transaction and its word on the token."""

    csms_id: str | None = None
    verdict: TokenVerdict | None = None


Resolve = Callable[[Stamp], float]


class Dialect(Protocol):
    """One OCPP version. Every ``read_*`` raises ``RemoteProtocolError`` for a payload that is not a valid message."""

    subprotocol: str
    answers_unreadable_ids: bool  # 2.0.1 answers a frame without a readable id with id "-1"; 1.6 stays silent
    answers_unknown_types: bool  # 2.0.1 answers a frame of unknown message type; 1.6 ignores it
    silent_when_rejected: bool  # 1.6 answers nothing while rejected; 2.0.1 answers SecurityError
    triggered_measurands: tuple[str, str]  # component and variable of the list that a triggered MeterValues holds
    boots_again_after_reconnect: bool  # 1.6 grants a triggered boot after a reconnect; 2.0.1 never while accepted
    reports_all_after_outage: bool  # 2.0.1 reports every status after an outage above OfflineThreshold
    transfers_files: bool  # requests for firmware and logs are taken
    statuses_need_time: bool  # 2.0.1 cannot report a status without a time of day

    def error_code(self, violation: Violation) -> str:
        """Return this version's spelling of a CALLERROR code."""

    def encode(self, message: Message) -> msgspec.Raw:
        """Return the payload's proven JSON. Raises ``LocalProtocolError`` for one that this version forbids."""

    def boot(self, identity: StationIdentity, reason: str) -> Message:
        """Return a BootNotification. ``reason``: ``power_up``, ``watchdog``, ``remote_reset``, ``triggered`` ..."""

    def read_registration(self, payload: bytes) -> Registration:
        """Read the answer to ``boot``."""

    def heartbeat(self) -> Message:
        """Return a Heartbeat."""

    def read_heartbeat(self, payload: bytes) -> float | None:
        """Read the CSMS's time from the answer to a heartbeat; ``None`` where it cannot be read."""

    def statuses(self, views: Sequence[EvseView], station_operative: bool) -> Mapping[tuple[int, int], str]:
        """Project the status of every reportable connector: (EVSE, connector) -> comparable text, in order."""

    def status(
        self, place: tuple[int, int], views: Sequence[EvseView], station_operative: bool, at_utc_s: float | None
    ) -> Message:
        """Return the StatusNotification for one place named by ``statuses``; without a time where none is known."""

    def status_between(
        self,
        place: tuple[int, int],
        told: str,
        views: Sequence[EvseView],
        station_operative: bool,
        at_utc_s: float | None,
    ) -> Message | None:
        """Return the status that must be told between ``told`` (a text of ``statuses``) and the present one."""

    def authorize(self, token: IdToken) -> Message:
        """Return an Authorize."""

    def read_authorization(self, payload: bytes) -> TokenVerdict:
        """Read the answer to ``authorize``."""

    def render(self, row: JournalRow, resolve: Resolve) -> Message | None:
        """Render a fact; ``None`` where this version has nothing to say about it (it then counts as delivered).

        The same row gives the same message every time: ``row.utc_s`` wins over the fact's own stamp.
        """

    def read_fact_answer(self, row: JournalRow, payload: bytes) -> FactAnswer:
        """Read the answer to a rendered fact."""

    def meter_values(self, view: EvseView | None, sample: Sample, resolve: Resolve) -> Message:
        """Return meter values outside the journal (asked for by a trigger); ``view`` ``None``: of the main meter."""

    def security_event(self, event: SecurityEventKind, at_utc_s: float, text: str) -> Message | None:
        """Return a security event outside the journal; ``None`` where this version cannot say it."""

    def sign_certificate(self, csr_pem: str) -> Message | None:
        """Return the request to sign a certificate; ``None`` where this version of ours has none."""

    def maintenance_status(
        self, kind: TriggerKind, firmware: FirmwareProgressed | None, upload: UploadProgressed | None
    ) -> Message | None:
        """Return the status of an update or upload that a trigger asks for; ``None`` where this version has no such.

        Args:
            firmware: the state to tell; ``None``: there is nothing to tell (idle). upload: the same.
        """

    def report(self, request_id: int, entries: Sequence[VariableEntry], generated_utc_s: float) -> Sequence[Message]:
        """Return the parts of a variable report; empty where the version has none."""

    def command(self, action: str, payload: bytes) -> Command:
        """Read a CALL of the CSMS.

        Raises:
            RemoteProtocolError: unknown or unsupported action, or a payload that is not valid.
        """

    def answer(self, action: str, command: Command, outcome: AnyOutcome) -> Message:
        """Return the CALLRESULT payload for a command's outcome.

        Raises:
            RemoteProtocolError: this version says the outcome with a CALLERROR.
        """

    def variables(self) -> Sequence[Variable]:
        """Return variables that only this version knows; the standard ones are in ``agent.model``."""

    def live_variables(
        self, views: Sequence[EvseView], station_operative: bool, utc_s: float | None
    ) -> Mapping[str, str]:
        """Return the values of variables that mirror a state, by ``key_of``; the keys are the same every time."""

    def variable_key(self, name: str) -> str | None:
        """Return the book's key of a variable written in this version's own words, or ``None``."""
