"""Getting a certificate for the station: a key made here, a request sent, asked again where nothing comes.

Asked for by the CSMS (ExtendedTriggerMessage), and by the station itself one month before the certificate in use ends.
Nothing that comes means: the same request again after CertSigningWaitMinimum, doubled each time, at most
CertSigningRepeatTimes; then only when somebody asks, or after a day.

Source: security whitepaper A02, A03; OCPP 2.0.1 A02.FR.17-19.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from agent.clock import Clock
from agent.log import get_logger
from agent.model.variables import VariableBook
from agent.security.certificates import KeyKind, Subject
from agent.security.vault import CLIENT_PROFILE, Vault

RENEW_BEFORE_S: Final = 30 * 86_400.0  # one month. Whitepaper A03.FR.01
LOOK_S: Final = 86_400.0
_CONTROLLER: Final = "SecurityCtrlr"


class Renewal:
    """See the module's text.

    Args:
        subject: whom the certificate is for, as of now.
        key_kind: of new keys.
        send: sends a request (PEM); returns whether it could.
        look: sees that the key store can be used, and says where not; before each daily look at the dates.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        book: VariableBook,
        subject: Callable[[], Subject],
        key_kind: KeyKind,
        send: Callable[[str], bool],
        look: Callable[[], Awaitable[None]],
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._book = book
        self._subject = subject
        self._key_kind = key_kind
        self._send = send
        self._look = look
        self._log = get_logger("renewal")
        self._wake = asyncio.Event()
        self._wanted = False
        self._request: str | None = None
        self._sent = 0
        self._next_at_s: float | None = None
        self._look_at_s = 0.0

    def ask(self) -> None:
        """Make a new key and ask for its certificate."""
        self._wanted = True
        self._wake.set()

    def reached(self) -> None:
        """The CSMS can be asked now."""
        self._wake.set()

    def certified(self) -> None:
        """The certificate came."""
        self._request, self._next_at_s, self._sent = None, None, 0
        self._wake.set()

    def refused(self) -> None:
        """What came cannot be used: nothing is asked for again by itself (A02.FR.07)."""
        self.certified()

    async def run(self) -> None:
        """Ask when it is time, for ever."""
        while True:
            self._wake.clear()
            now_s = self._clock.mono_s()
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + LOOK_S
                await self._look()
                self._wanted = self._wanted or await asyncio.to_thread(self._ends_soon)
            if self._wanted:
                self._wanted = False
                await self._make_request()
            self._ask_where_due(now_s)
            due_s = min(self._look_at_s, self._next_at_s or self._look_at_s)
            try:
                async with asyncio.timeout(max(due_s - self._clock.mono_s(), 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _make_request(self) -> None:
        subject = self._subject()
        if not subject.organization:
            self._log.warning("certificate.without_operator", hint="the CSMS sets CpoName before it asks")
        try:
            self._request = await asyncio.to_thread(self._vault.keys().request, subject, self._key_kind)
        except (OSError, ImportError) as error:
            self._log.error("certificate.request_failed", error=str(error))
            return
        self._sent, self._next_at_s = 0, None

    def _ask_where_due(self, now_s: float) -> None:
        if self._request is None or (self._next_at_s is not None and now_s < self._next_at_s):
            return
        if self._sent > self._book.integer(_CONTROLLER, "CertSigningRepeatTimes"):
            self._log.warning("certificate.not_signed", asked=self._sent)
            self._request, self._next_at_s = None, None
            return
        if not self._send(self._request):
            self._next_at_s = None  # as soon as the CSMS is there
            return
        self._log.info("certificate.asked_for", times=self._sent + 1)
        self._next_at_s = now_s + self._book.integer(_CONTROLLER, "CertSigningWaitMinimum") * 2.0**self._sent
        self._sent += 1

    def _ends_soon(self) -> bool:
        utc_s = self._clock.utc_s()
        if utc_s is None or self._vault.profile_in_use() != CLIENT_PROFILE:
            return False
        try:
            used = self._vault.identities(utc_s)
        except OSError as error:
            self._log.warning("certificate.unreadable", error=str(error))
            return False
        return bool(used) and used[0].validity.not_after_s - utc_s < RENEW_BEFORE_S
