"""Makes bundles of the living station: what its door answers, its log, its security log, its station file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from agent import __version__
from agent.clock import Clock
from agent.console.door import DoorError, Reply
from agent.errors import AgentError
from agent.maintenance.bundle import (
    QUESTIONS,
    Section,
    answer_section,
    file_section,
    make_bundle,
    versions_section,
)
from agent.maintenance.log_lines import TimeRange, log_lines
from agent.maintenance.transfer import Stop, in_thread
from agent.model.maintenance import LogKind, UploadLog
from agent.model.moment import rfc3339
from agent.security.event_log import SecurityLog
from agent.security.secrets import SecretError
from agent.security.vault import Vault
from agent.settings.station import Settings

MB: Final = 1_000_000


class Bundles:
    """See the module's text.

    Args:
        replies: what can be asked at the station's door.
    """

    def __init__(self, *, settings: Settings, vault: Vault, clock: Clock, replies: Mapping[str, Reply]) -> None:
        self._settings = settings
        self._vault = vault
        self._clock = clock
        self._replies = replies

    async def make(self, path: Path, request: UploadLog) -> int:
        """Write the bundle that a request asks for; return its size in bytes. Raises ``OSError``."""
        when = TimeRange(oldest_utc_s=request.oldest_utc_s, latest_utc_s=request.latest_utc_s)
        security = security_section(self._vault.log, self._clock, when)
        sections = [security]
        if request.kind is LogKind.DIAGNOSTICS:
            sections = [*await self._answers(when), *self._files(when), security]
        about = {**self._about(), "kind": request.kind.value, **times(when)}
        most_b = self._settings.maintenance.max_bundle_mb * MB
        secrets = known_secrets(self._vault)

        def work(stop: Stop) -> int:
            make_bundle(path, sections, about=about, secrets=secrets, most_b=most_b, check=stop.check)
            return path.stat().st_size

        return await in_thread(work)

    async def _answers(self, when: TimeRange) -> list[Section]:
        sections = []
        for name, question, fields in QUESTIONS:
            reply = self._replies.get(question)
            if reply is None:
                sections.append(Section(name=name, missing="the station does not answer that yet"))
                continue
            try:
                answer = await reply({"ask": question, **fields})
            except (DoorError, AgentError) as error:
                sections.append(Section(name=name, missing=str(error)))
            else:
                sections.append(answer_section(name, answer, when))
        return sections

    def _files(self, when: TimeRange) -> list[Section]:
        own = self._settings
        journal = "JOURNAL_STREAM" in os.environ
        sections = [
            versions_section(__version__),
            file_section("station.toml", own.file),
            Section(name="agent.log", lines=log_lines(own.station.run_dir, when, journal=journal)),
        ]
        if own.board is not None:
            sections.append(file_section("board.toml", own.board.file))
        return sections

    def _about(self) -> dict[str, Any]:
        utc_s = self._clock.utc_s()
        station = self._settings.station
        return {
            "station": station.id,
            "vendor": station.vendor,
            "model": station.model,
            "serial_number": station.serial_number,
            "made": None if utc_s is None else rfc3339(utc_s),
            "boot_id": self._clock.boot_id,
            "made_by": "agent",
        }


def times(when: TimeRange) -> dict[str, Any]:
    """Return the time that was asked about, for the manifest."""
    return {
        "oldest": None if when.oldest_utc_s is None else rfc3339(when.oldest_utc_s),
        "latest": None if when.latest_utc_s is None else rfc3339(when.latest_utc_s),
    }


def security_section(log: SecurityLog, clock: Clock | None, when: TimeRange) -> Section:
    """Return the security events of a time, one JSON object a line. ``clock`` dates those of an unknown time."""

    def lines() -> Iterator[str]:
        try:
            yield from entries()
        except OSError as error:
            yield json.dumps({"error": f"the security log cannot be read: {error}"}) + "\n"

    def entries() -> Iterator[str]:
        for entry in log.entries():
            utc_s = entry.at.utc_s if clock is None else clock.resolve(entry.at)
            if when.holds(utc_s):
                told = {
                    "at": None if utc_s is None else rfc3339(utc_s),
                    "event": entry.event.value,
                    "critical": entry.critical,
                    "text": entry.text,
                }
                yield json.dumps(told) + "\n"

    return Section(name="security.jsonl", lines=lines())


def known_secrets(vault: Vault) -> tuple[str, ...]:
    """Return the secrets that are known here, so that they can be blackened wherever they stand."""
    try:
        return vault.passwords.candidates()
    except (SecretError, OSError, ValueError):
        return ()
