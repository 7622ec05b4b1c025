"""Security events from wherever they happen to where they belong: the station's log, the journal, the CSMS.

Every event is logged on the station. Critical ones become facts of the journal, delivered like transactions; the others
are told once the CSMS listens. What a stranger can cause as often as he likes is folded: one event until the CSMS was
reached again, at most twenty an hour, the rest counted. Once a day the dates of all certificates are looked at.

Source: security whitepaper A04; OCPP 2.0.1 A04, appendix 1.4.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from agent.clock import Clock
from agent.errors import StoreError
from agent.log import get_logger
from agent.model.effects import Durable, Record
from agent.model.facts import SecurityEvent
from agent.model.moment import Stamp
from agent.model.security import CRITICAL, JOURNALLED, REPEATABLE, RootPurpose, SecurityEventKind
from agent.security.event_log import TEXT_CHARS, Entry
from agent.security.validity import certificates_in, validity_of
from agent.security.vault import Vault

FOLD_S: Final = 3600.0
MOST_AN_HOUR: Final = 20
MOST_WAITING: Final = 200
STORE_RETRY_S: Final = 5.0
LOOK_S: Final = 86_400.0
WARN_DAYS: Final = 60  # a root or certificate that ends sooner is a warning
DAY_S: Final = 86_400.0


class EventStore(Protocol):
    """What the watch needs of the store."""

    async def commit(self, durables: Sequence[Durable]) -> object:
        """Make everything durable or raise ``StoreError``."""


class CertificateDate(msgspec.Struct, frozen=True, kw_only=True):
    """When a certificate that the station uses ends. ``days_left`` is ``None`` while the time of day is unknown."""

    what: str
    not_after_s: float
    days_left: int | None


class _Fold(msgspec.Struct, kw_only=True):
    """Repetitions of one kind of event."""

    since_s: float
    told: int = 0
    swallowed: int = 0
    open: bool = True  # the next one is told


class SecurityWatch:
    """See the module's text.

    Args:
        report: tell the CSMS at all.
        tell: sends an event outside the journal; returns whether it could.
        facts_waiting: the journal has something new.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        clock: Clock,
        report: bool,
        tell: Callable[[SecurityEventKind, float, str], bool],
        facts_waiting: Callable[[], None],
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._report = report
        self._tell = tell
        self._facts_waiting = facts_waiting
        self._log = get_logger("security")
        self._waiting: deque[Entry] = deque(maxlen=MOST_WAITING)
        self._unkept: deque[Entry] = deque(maxlen=MOST_WAITING)
        self._untold: deque[Entry] = deque(maxlen=MOST_WAITING)
        self._folds: dict[SecurityEventKind, _Fold] = {}
        self._store: EventStore | None = None
        self._wake = asyncio.Event()
        self._warned: set[str] = set()
        self._look_at_s = 0.0
        self.dates: tuple[CertificateDate, ...] = ()

    def note(self, event: SecurityEventKind, text: str = "", *, asked: bool = False) -> None:
        """Take an event, from anywhere, at any time.

        Args:
            text: what happened, without any secret.
            asked: the registered CSMS caused it by a request of its own: it is not folded with others.
        """
        told = self._folded(event, text, asked)
        if told is None:
            return
        entry = Entry(event=event, critical=event in CRITICAL, at=self._clock.now(), text=told[:TEXT_CHARS])
        self._waiting.append(entry)
        self._wake.set()

    def reached(self) -> None:
        """The CSMS uses the connection: what was told of failures counts anew, and what waits for it goes."""
        for fold in self._folds.values():
            fold.open = True
        self._wake.set()

    def attach(self, store: EventStore) -> None:
        """Name the journal, which opens later than the first events may happen."""
        self._store = store
        self._wake.set()

    async def run(self) -> None:
        """Write down and tell, for ever."""
        while True:
            self._wake.clear()
            retry_s = await self._write()
            self._tell_waiting()
            now_s = self._clock.mono_s()
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + LOOK_S
                self.dates = await asyncio.to_thread(self._read_dates)
                self._warn()
            wait_s = min(retry_s or LOOK_S, self._look_at_s - now_s)
            try:
                async with asyncio.timeout(max(wait_s, 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _folded(self, event: SecurityEventKind, text: str, asked: bool) -> str | None:
        """Return what is to be said of an event, ``None`` where it is one more of the same."""
        if event not in REPEATABLE:
            return text
        now_s = self._clock.mono_s()
        fold = self._folds.get(event)
        if fold is None or now_s - fold.since_s >= FOLD_S:
            before = 0 if fold is None else fold.swallowed
            fold = self._folds[event] = _Fold(since_s=now_s)
            text = f"{text} ({before} more before)" if before else text
        if not (fold.open or asked) or fold.told >= MOST_AN_HOUR:
            fold.swallowed += 1
            return None
        fold.open = fold.open and asked
        fold.told += 1
        return text

    async def _write(self) -> float | None:
        """Write down what waits; return in how many seconds to try again, ``None`` where nothing is left."""
        while self._waiting:
            entry = self._waiting.popleft()
            due = self._report and entry.event in JOURNALLED
            if due and (self._unkept or self._store is None or not await self._keep(entry, self._store)):
                self._unkept.append(entry)
            elif self._report and not due:
                self._untold.append(entry)
            self._log.warning("security.event", event_kind=entry.event.value, critical=entry.critical, text=entry.text)
            try:
                await asyncio.to_thread(self._vault.log.append, entry)
            except OSError as error:
                self._log.warning("security_log.unwritten", error=str(error))
        while self._unkept and self._store is not None:
            if not await self._keep(self._unkept[0], self._store):
                return STORE_RETRY_S
            self._unkept.popleft()
        return None

    async def _keep(self, entry: Entry, store: EventStore) -> bool:
        try:
            await store.commit([Record(fact=SecurityEvent(event=entry.event, at=entry.at, text=entry.text))])
        except StoreError as error:
            self._log.warning("security_event.unkept", error=str(error))
            return False
        self._facts_waiting()
        return True

    def _tell_waiting(self) -> None:
        while self._untold:
            entry = self._untold[0]
            if self._clock.utc_s() is None or not self._tell(entry.event, self._utc_of(entry.at), entry.text):
                return
            self._untold.popleft()

    def _utc_of(self, at: Stamp) -> float:
        return self._clock.resolve(at)

    # ---- dates of certificates -----------------------------------------------------------------------------------

    def _read_dates(self) -> tuple[CertificateDate, ...]:
        utc_s = self._clock.utc_s()
        return tuple(_date(what, pem, utc_s) for what, pem in self._named() if _readable(pem))

    def _named(self) -> list[tuple[str, str]]:
        roots, named = self._vault.roots, []
        try:
            for text in roots.configured():
                named += [("root of the station file", pem) for pem in certificates_in(text)]
            named += [("installed root of the CSMS", pem) for pem in roots.installed(RootPurpose.CSMS)]
            named += [("installed root of the manufacturer", pem) for pem in roots.installed(RootPurpose.MANUFACTURER)]
            own = [path.read_text("utf-8") for path in self._vault.given_certificates()]
            if self._vault.profile_in_use() == 3 or self._vault.profile.pending == 3:
                own = [each.chain.read_text("utf-8") for each in self._vault.identities(self._clock.utc_s())[:1]]
            named += [("certificate of the station", pem) for pem in own]
        except (OSError, ValueError) as error:
            self._log.warning("certificates.unreadable", error=str(error))
        return named

    def _warn(self) -> None:
        for each in self.dates:
            if each.days_left is None or each.days_left > WARN_DAYS:
                continue
            mark = (
                f"{each.what} {each.not_after_s:.0f} {next((n for n in (0, 7, 30) if each.days_left <= n), WARN_DAYS)}"
            )
            if mark not in self._warned:
                self._warned.add(mark)
                ends = f"{datetime.fromtimestamp(each.not_after_s, UTC):%Y-%m-%d}"
                self._log.warning("certificate.ends_soon", what=each.what, ends=ends, days_left=each.days_left)


def _readable(pem: str) -> bool:
    try:
        validity_of(pem)
    except ValueError:
        return False
    return True


def _date(what: str, pem: str, utc_s: float | None) -> CertificateDate:
    ends_s = validity_of(pem).not_after_s
    left = None if utc_s is None else int((ends_s - utc_s) // DAY_S)
    return CertificateDate(what=what, not_after_s=ends_s, days_left=left)
