"""The part of the composition root that secures the link: vault, dialler, event watch, renewal and desk of one station.

What the first connection needs is built at once; the rest, with the journal. `cryptography` loads only where a
certificate is made or looked at closely.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from agent.clock import Clock, TimeQuality
from agent.log import get_logger
from agent.model.evse import EvseView
from agent.model.faults import FaultCode
from agent.model.key_store import KeyStoreKind
from agent.model.security import SecurityEventKind
from agent.model.variables import StoredValue, VariableBook
from agent.ocpp.dialect import Dialect
from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed
from agent.runtime.dialler import Dialler
from agent.security.vault import CLIENT_PROFILE, Provision, Vault
from agent.settings.station import PasswordEncoding, Settings

if TYPE_CHECKING:
    from agent.runtime.csms_link import CsmsLink
    from agent.runtime.renewal import Renewal
    from agent.runtime.security_desk import OtherDesk, SecurityDesk
    from agent.runtime.security_watch import EventStore, SecurityWatch
    from agent.runtime.supervisor import Supervisor
    from agent.security.certificates import Subject

_TAMPERING: Final = (FaultCode.DOOR_OPEN, FaultCode.TILTED)
_REASONS: Final = ("remote_reset", "scheduled_reset")
_WATCHED: Final = ("securityctrlr.organizationname",)


def vault_of(settings: Settings) -> Vault:
    """Return the vault of the station that ``settings`` describe."""
    csms, station = settings.csms, settings.station
    provision = Provision(
        state_dir=station.state_dir,
        password_file=csms.password_file,
        client_certificate=csms.client_certificate,
        client_key=csms.client_key,
        root_certificates=csms.root_certificates,
        additional_root_check=csms.additional_root_check,
        encrypted=all(url.startswith("wss:") for url in csms.urls),
        profile=csms.security_profile,
        key_token=csms.key_token,
    )
    return Vault(provision, identity_password=lambda: _identity_password(settings))


class Dial(Protocol):
    """Opens a connection to a CSMS; ``Link.connect``."""

    async def __call__(self, endpoint: CsmsEndpoint, *, ping_s: float) -> Link:
        """See ``Link.connect``. Raises ``LinkClosed``."""


class Secured:
    """See the module's text.

    Args:
        book: the station's variables. clock: the station's time. dial: opens a connection.
        set_clock: sets the machine's clock to a UTC in s; raises ``OSError``.
    """

    def __init__(
        self,
        settings: Settings,
        dialect: Dialect,
        book: VariableBook,
        clock: Clock,
        dial: Dial = Link.connect,
        set_clock: Callable[[float], None] = lambda utc_s: time.clock_settime(time.CLOCK_REALTIME, utc_s),
    ) -> None:
        self._dial = dial
        self._clock = clock
        self._set_clock = set_clock
        self._settings = settings
        self._dialect = dialect
        self._book = book
        self._log = get_logger("security")
        self._early: list[tuple[SecurityEventKind, str]] = []
        self._watch: SecurityWatch | None = None
        self._renewal: Renewal | None = None
        self._tampered: frozenset[tuple[int, FaultCode]] = frozenset()
        self.vault = vault_of(settings)
        self.dialler = Dialler(
            settings=settings.csms,
            identity=settings.station.id,
            subprotocol=dialect.subprotocol,
            vault=self.vault,
            attempts=lambda: book.integer("OCPPCommCtrlr", "NetworkProfileConnectionAttempts"),
            utc=clock.utc_s,
            vouched=lambda: clock.quality is TimeQuality.SYSTEM,
            note=self.note,
        )

    # ---- what happens ----------------------------------------------------------------------------------------------

    def note(self, event: SecurityEventKind, text: str = "", *, asked: bool = False) -> None:
        """Take a security event, also before there is anything to write it to."""
        if self._watch is None:
            self._early.append((event, text))
            del self._early[:-100]
        else:
            self._watch.note(event, text, asked=asked)

    async def connect(self) -> Link:
        """Open the next connection. Raises ``LinkClosed``."""
        if CLIENT_PROFILE in (self.vault.profile.pending, self.vault.profile_in_use()):
            await self._look_at_token()
        try:
            endpoint = self.dialler.next()
            return await self._dial(endpoint, ping_s=self._book.integer("OCPPCommCtrlr", "WebSocketPingInterval"))
        except LinkClosed as error:
            self.dialler.failed(error)
            raise

    async def _look_at_token(self) -> None:
        """See that the token that keeps the key can be used, if there is one; say so once when that changes."""
        if self.vault.key_store is not KeyStoreKind.PKCS11:
            return
        before = self.vault.token_trouble
        await asyncio.to_thread(self.vault.make_ready)
        trouble = self.vault.token_trouble
        if trouble and trouble != before:
            self._log.error("key_token.unusable", problem=trouble)
        elif before and not trouble:
            self._log.info("key_token.usable")

    def proven(self) -> None:
        """The CSMS uses the connection."""
        self.dialler.proven()
        if self._watch is not None and self._renewal is not None:
            self._watch.reached()
            self._renewal.reached()

    def suspicious(self, text: str) -> None:
        """The CSMS sent what no CSMS should send."""
        self.note(SecurityEventKind.INVALID_MESSAGES, text)

    def store_failing(self, text: str) -> None:
        """The journal takes nothing any more."""
        self.note(SecurityEventKind.MEMORY_EXHAUSTION, text)

    def seen(self, views: Sequence[EvseView]) -> None:
        """Look for an opened or tilted housing."""
        now = frozenset(
            (view.evse_id, fault.code) for view in views for fault in view.faults if fault.code in _TAMPERING
        )
        for evse_id, code in sorted(now - self._tampered, key=lambda each: (each[0], each[1].value)):
            self.note(SecurityEventKind.TAMPER_DETECTION, f"EVSE {evse_id}: {code.value}")
        self._tampered = now

    def variables_changed(self, rows: Sequence[StoredValue]) -> None:
        """Tell of changed variables that concern security."""
        for row in rows:
            if row.key in _WATCHED:
                self.note(SecurityEventKind.PARAMETERS_CHANGED, f"{row.key} was changed by the CSMS")

    def time_set(self, utc_s: float, step_s: float | None) -> None:
        """The CSMS's time was taken over: tell of it, and set the machine's clock where that is wanted."""
        text = (
            "the time of day is the CSMS's" if step_s is None else f"the CSMS's time moved the clock by {step_s:+.1f} s"
        )
        self.note(SecurityEventKind.SETTING_SYSTEM_TIME, text)
        if self._settings.set_system_clock:
            try:
                self._set_clock(utc_s)
            except OSError as error:
                self._log.warning("system_clock.not_set", error=str(error), hint="it needs CAP_SYS_TIME")

    # ---- the parts that come with the journal -----------------------------------------------------------------------

    def begin(self, supervisor: Supervisor, clock: Clock, csms: CsmsLink, store: EventStore, boot_reason: str) -> None:
        """Build and start what writes events and renews certificates."""
        from agent.runtime.renewal import Renewal
        from agent.runtime.security_watch import SecurityWatch
        from agent.security.certificates import KeyKind

        def tell(event: SecurityEventKind, utc_s: float, text: str) -> bool:
            message = self._dialect.security_event(event, utc_s, text)
            if not csms.session.online:
                return False
            if message is not None:
                csms.send(message)
            return True

        def ask(request_pem: str) -> bool:
            message = self._dialect.sign_certificate(request_pem)
            if message is None or not csms.session.online:
                return False
            csms.send(message)
            return True

        self._watch = SecurityWatch(
            vault=self.vault,
            clock=clock,
            report=self._settings.csms.security_events,
            tell=tell,
            facts_waiting=csms.facts_waiting,
        )
        self._renewal = Renewal(
            vault=self.vault,
            clock=clock,
            book=self._book,
            subject=self._subject,
            key_kind=KeyKind(self._settings.csms.key_type),
            send=ask,
            look=self._look_at_token,
        )
        self._watch.attach(store)
        if boot_reason in _REASONS:
            self._watch.note(SecurityEventKind.RESET_OR_REBOOT, boot_reason.replace("_", " "))
        self._watch.note(SecurityEventKind.STARTUP, boot_reason.replace("_", " "))
        for event, text in self._early:
            self._watch.note(event, text)
        self._early.clear()
        supervisor.add("security_events", self._watch.run)
        supervisor.add("certificate_renewal", self._renewal.run)

    def desk(self, clock: Clock, csms: CsmsLink, others: OtherDesk) -> SecurityDesk:
        """Return the desk that answers what concerns security; ``begin`` comes first."""
        from agent.runtime.security_desk import SecurityDesk

        def link_chain() -> tuple[str, ...]:
            tls = csms.tls
            return () if tls is None else tls.chain_sha256

        station = self._settings.station
        return SecurityDesk(
            vault=self.vault,
            book=self._book,
            clock=clock,
            others=others,
            hexadecimal=self._settings.csms.password_encoding is PasswordEncoding.HEX,
            subject=self._subject,
            names=tuple(name for name in (station.serial_number, station.id) if name),
            link_chain=link_chain,
            note=self.note,
            certified=self._certified,
            reconnect=lambda anew: csms.reconnect_and_register() if anew else csms.reconnect(),
        )

    def sign(self) -> None:
        """Ask the CSMS for a certificate."""
        if self._renewal is not None:
            self._renewal.ask()

    def _certified(self, taken: bool) -> None:
        if self._renewal is not None:
            (self._renewal.certified if taken else self._renewal.refused)()

    def _subject(self) -> Subject:
        from agent.security.certificates import Subject

        station = self._settings.station
        operator = self._book.text("SecurityCtrlr", "OrganizationName")
        return Subject(common_name=station.serial_number or station.id, organization=operator)

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def live_variables(self) -> Mapping[str, str]:
        """Return the variables that mirror the vault, by ``key_of``."""
        return {
            "securityctrlr.securityprofile": str(self.vault.profile_in_use()),
            "securityctrlr.certificateentries": self._root_count(),
            "securityctrlr.additionalrootcertificatecheck": str(self._settings.csms.additional_root_check).lower(),
        }

    def _root_count(self) -> str:
        try:
            return str(self.vault.roots.count())
        except OSError:
            return ""

    def _token_status(self) -> Mapping[str, Any] | None:
        place = self._settings.csms.key_token
        return None if place is None else {"token": str(place.token), "problem": self.vault.token_trouble}

    def status(self, csms: CsmsLink) -> Mapping[str, Any]:
        """Return the security of the link for people; no secrets."""
        tls = csms.tls
        dates = () if self._watch is None else self._watch.dates
        shown = [
            {"what": each.what, "not_after_utc_s": each.not_after_s, "days_left": each.days_left} for each in dates
        ]
        if tls is not None and tls.not_after_s is not None:
            utc_s = self._clock.utc_s()
            left = None if utc_s is None else int((tls.not_after_s - utc_s) // 86_400)
            shown.append({"what": "certificate of the CSMS", "not_after_utc_s": tls.not_after_s, "days_left": left})
        return {
            "profile": self.vault.profile_in_use(),
            "pending_profile": self.vault.profile.pending,
            "url": self.dialler.url,
            "password": self.vault.has_password(),
            "key_store": self.vault.key_store.value,
            "key_token": self._token_status(),
            "tls": None if tls is None else {"version": tls.version, "cipher": tls.cipher},
            "certificates": shown,
        }


def _identity_password(settings: Settings) -> str | None:
    path = settings.station.identity_file
    if path is None:
        return None
    from agent.settings.identity import PASSWORD, IdentityFileError, read_identity

    try:
        return read_identity(path).get(PASSWORD)
    except IdentityFileError as error:
        raise ValueError(str(error)) from None
