"""Answers what concerns security: certificates, the password, the security profile.

Variables that hold or mean secrets never reach the variable store: the password goes to the station's secrets, the
profile to its own record. Everything is durable before it is answered; the connection is made anew after the answer.

Source: security whitepaper A01, A02, A05, M03-M05.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from agent.clock import Clock
from agent.log import get_logger
from agent.model.commands import (
    AnyOutcome,
    Attribute,
    Command,
    SetVariables,
    VariableRef,
    VariableResult,
    VariablesOutcome,
    VariableStatus,
)
from agent.model.security import (
    CertificateOutcome,
    DeleteRoot,
    InstallRoot,
    ListRoots,
    RootAnswer,
    RootPurpose,
    RootsOutcome,
    SecurityEventKind,
    TakeCertificate,
)
from agent.model.standard_variables import LONGEST_CHAIN_B
from agent.model.variables import Access, VariableBook, key_of
from agent.security.certificates import Rejected, Subject
from agent.security.passwords import problem_of
from agent.security.roots import ALREADY, NO_ROOM
from agent.security.secrets import SecretError
from agent.security.vault import CLIENT_PROFILE, TLS_PROFILE, Vault

PASSWORD_KEY: Final = "securityctrlr.basicauthpassword"
PROFILE_KEY: Final = "securityctrlr.securityprofile"
_OWN_KEYS: Final = (PASSWORD_KEY, PROFILE_KEY)


class OtherDesk(Protocol):
    """Sets the variables that are no secrets."""

    async def handle(self, command: Command) -> AnyOutcome:
        """Return the outcome; what it changed is durable by then."""


class Note(Protocol):
    """Takes security events."""

    def __call__(self, event: SecurityEventKind, text: str = "", *, asked: bool = False) -> None:
        """Take one."""


class SecurityDesk:
    """See the module's text.

    Args:
        others: answers for the other variables of one request.
        hexadecimal: passwords are pairs of hex digits.
        subject: whom the station's certificate is for. names: common names that are the station's.
        link_chain: returns the SHA-256 of the certificates that vouch for the present connection.
        note: takes security events.
        certified: told whether a certificate that came was taken.
        reconnect: makes the connection anew after the answer. ``True``: and registers anew.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        book: VariableBook,
        clock: Clock,
        others: OtherDesk,
        hexadecimal: bool,
        subject: Callable[[], Subject],
        names: tuple[str, ...],
        link_chain: Callable[[], tuple[str, ...]],
        note: Note,
        certified: Callable[[bool], None],
        reconnect: Callable[[bool], None],
    ) -> None:
        self._vault = vault
        self._book = book
        self._clock = clock
        self._others = others
        self._hexadecimal = hexadecimal
        self._subject = subject
        self._names = names
        self._link_chain = link_chain
        self._note = note
        self._certified = certified
        self._reconnect = reconnect
        self._log = get_logger("security")

    def takes(self, command: Command) -> bool:
        """Return whether this desk answers the command."""
        if isinstance(command, SetVariables):
            return any(self._is_own(ref) for ref, _, _ in command.assignments)
        return isinstance(command, InstallRoot | DeleteRoot | ListRoots | TakeCertificate)

    async def handle(self, command: Command) -> AnyOutcome:
        """Return the outcome; what it changed is durable by then."""
        match command:
            case SetVariables():
                return await self._set(command)
            case InstallRoot():
                return await self._install(command)
            case DeleteRoot():
                return await self._delete(command)
            case ListRoots():
                return await self._list(command)
            case TakeCertificate():
                return await self._take(command)
        raise AssertionError(command)

    # ---- variables -----------------------------------------------------------------------------------------------

    def _is_own(self, ref: VariableRef) -> bool:
        definition = self._book.definition(ref)
        return key_of(ref) in _OWN_KEYS and definition is not None and definition.access is not Access.READ_ONLY

    async def _set(self, command: SetVariables) -> VariablesOutcome:
        rest = tuple(each for each in command.assignments if not self._is_own(each[0]))
        results: list[VariableResult] = []
        if rest:
            outcome = await self._others.handle(SetVariables(assignments=rest))
            assert isinstance(outcome, VariablesOutcome)
            results = list(outcome.results)
        answers = iter(results)
        return VariablesOutcome(
            results=tuple(
                [await self._set_own(*each) if self._is_own(each[0]) else next(answers) for each in command.assignments]
            )
        )

    async def _set_own(self, ref: VariableRef, attribute: Attribute, text: str) -> VariableResult:
        if attribute is not Attribute.ACTUAL:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.NOT_SUPPORTED_ATTRIBUTE)
        change = self._set_password if key_of(ref) == PASSWORD_KEY else self._set_profile
        why = await change(text)
        if why:
            self._log.warning("security_variable.refused", variable=key_of(ref), why=why)
        status = VariableStatus.REJECTED if why else VariableStatus.ACCEPTED
        return VariableResult(ref=ref, attribute=attribute, status=status, why=why)

    async def _set_password(self, text: str) -> str:
        """Take a password; return why not, "" where it is the password now."""
        problem = problem_of(text, hexadecimal=self._hexadecimal)
        if problem:
            return f"the password {problem}"
        try:
            if text in self._vault.passwords.candidates()[:1]:
                return ""
            await asyncio.to_thread(self._vault.passwords.change, text)
        except (SecretError, OSError, ValueError) as error:
            return f"the password cannot be kept: {error}"
        self._log.info("csms_password.changed", by="csms")
        self._note(SecurityEventKind.PARAMETERS_CHANGED, "the password was changed by the CSMS")
        if self._vault.profile_in_use() != CLIENT_PROFILE:
            self._reconnect(False)
        return ""

    async def _set_profile(self, text: str) -> str:
        """Take a security profile; return why not, "" where it is tried from now on."""
        if not text.strip().isdecimal():
            return f"{text[:20]!r} is not a security profile, expected 1-{CLIENT_PROFILE}"
        profile = int(text)
        try:
            if profile == CLIENT_PROFILE:
                await asyncio.to_thread(self._vault.make_ready)
            why = await asyncio.to_thread(self._vault.may_raise_to, profile, self._clock.utc_s())
            if not why:
                await asyncio.to_thread(self._vault.profile.propose, profile)
        except (OSError, ValueError) as error:
            return f"security profile {profile} cannot be kept: {error}"
        if why:
            return f"security profile {profile}: {why}"
        self._log.info("security_profile.proposed", profile=profile)
        self._note(SecurityEventKind.PARAMETERS_CHANGED, f"the CSMS asked for security profile {profile}")
        self._reconnect(True)
        return ""

    # ---- certificates --------------------------------------------------------------------------------------------

    async def _install(self, command: InstallRoot) -> CertificateOutcome:
        roots, purpose = self._vault.roots, command.purpose
        outcome = await asyncio.to_thread(roots.install, purpose, command.pem, self._clock.utc_s())
        if outcome.answer is RootAnswer.ACCEPTED:
            if outcome.why == ALREADY:
                return outcome
            self._log.info("root.installed", purpose=purpose.value)
            self._note(SecurityEventKind.PARAMETERS_CHANGED, f"a root for the {purpose.value} was installed")
            return outcome
        self._log.warning("root.refused", purpose=purpose.value, why=outcome.why)
        if outcome.answer is RootAnswer.REJECTED and purpose is RootPurpose.CSMS and outcome.why != NO_ROOM:
            self._note(SecurityEventKind.INVALID_CSMS_CERTIFICATE, f"not installed: {outcome.why}", asked=True)
        return outcome

    async def _delete(self, command: DeleteRoot) -> CertificateOutcome:
        profile = self._vault.profile.pending or self._vault.profile_in_use()
        outcome = await asyncio.to_thread(
            self._vault.roots.delete, command.name, needed=profile >= TLS_PROFILE, in_use=self._link_chain()
        )
        if outcome.answer is RootAnswer.ACCEPTED:
            self._log.info("root.deleted", serial_number=command.name.serial_number)
            self._note(SecurityEventKind.PARAMETERS_CHANGED, "a root was deleted")
        return outcome

    async def _list(self, command: ListRoots) -> RootsOutcome:
        try:
            names = await asyncio.to_thread(self._vault.roots.names, command.purpose)
        except (OSError, ValueError, ImportError, Rejected) as error:
            self._log.error("roots.unreadable", error=str(error))
            names = ()
        return RootsOutcome(names=names)

    async def _take(self, command: TakeCertificate) -> CertificateOutcome:
        try:
            if len(command.chain_pem) > LONGEST_CHAIN_B:
                raise Rejected(f"it has {len(command.chain_pem)} characters, at most {LONGEST_CHAIN_B} are taken")
            remarks = await asyncio.to_thread(
                self._vault.keys().accept,
                command.chain_pem,
                self._subject(),
                self._names,
                self._vault.trusted_for_csms(),
                self._clock.utc_s(),
            )
        except (Rejected, OSError, ValueError, ImportError) as error:
            self._log.warning("certificate.refused", why=str(error))
            self._certified(False)
            if isinstance(error, Rejected):
                self._note(SecurityEventKind.INVALID_STATION_CERTIFICATE, f"not taken: {error}", asked=True)
            return CertificateOutcome(answer=RootAnswer.REJECTED, why=str(error))
        for remark in remarks:
            self._log.warning("certificate.untidy", problem=remark)
        self._log.info("certificate.taken")
        self._note(SecurityEventKind.PARAMETERS_CHANGED, "the station has a new certificate")
        self._certified(True)
        if self._vault.profile_in_use() == CLIENT_PROFILE:
            self._reconnect(False)
        return CertificateOutcome(answer=RootAnswer.ACCEPTED)
