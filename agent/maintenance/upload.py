"""The record of an upload, and the name of its file. Pure.

Source: OCPP 1.6 §4.4, §5.9; security whitepaper ed. 3 N01.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from agent.maintenance.attempts import interval_of, retries_of
from agent.maintenance.transfer import Trouble
from agent.model.maintenance import LogKind, UploadLog, UploadState

KEY: Final = "upload"
MOST_BEGUN: Final = 10  # what ends the software each time must not do so for ever
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_STATE_OF: Final = {
    Trouble.DENIED: UploadState.PERMISSION_DENIED,
    Trouble.NOT_SUPPORTED: UploadState.NOT_SUPPORTED,
    Trouble.NOT_UNDERSTOOD: UploadState.BAD_MESSAGE,
}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One upload that has not ended.

    Attributes:
        told: the last state that was told. failures: attempts that failed.
        begun: how often work on it began, restarts of the software included.
    """

    request: UploadLog
    filename: str
    told: UploadState | None = None
    failures: int = 0
    begun: int = 0

    @property
    def retries(self) -> int:
        """Return how often it is tried again."""
        return retries_of(self.request.retries)

    @property
    def interval_s(self) -> float:
        """Return the pause before it is tried again."""
        return interval_of(self.request.retry_interval_s)


def state_of(trouble: Trouble) -> UploadState:
    """Return how an upload ends that failed for good."""
    return _STATE_OF.get(trouble, UploadState.FAILED)


def name_of_file(station_id: str, kind: LogKind, utc_s: float | None, boot_id: str) -> str:
    """Return the name of a bundle, at most 255 characters of which every file system takes each."""
    when = f"{datetime.fromtimestamp(utc_s, UTC):%Y%m%dT%H%M%SZ}" if utc_s is not None else f"boot-{boot_id[:8]}"
    what = "diagnostics" if kind is LogKind.DIAGNOSTICS else "security-log"
    return f"{_NOT_IN_NAMES.sub('_', station_id)[:60]}-{what}-{_NOT_IN_NAMES.sub('_', when)}.tar.gz"


def encode_upload(upload: Upload) -> bytes:
    """Return the document."""
    return msgspec.json.encode(upload)


def decode_upload(body: bytes) -> Upload:
    """Read a document. Raises ``ValueError``: it is none of ours."""
    return msgspec.json.decode(body, type=Upload)
