"""The record of a firmware update: how far it has come, what was told, and what that means. Pure.

    WAIT ──► DOWNLOAD ──► VERIFY ──► READY ──► INSTALL ──► REBOOT ──► DONE
                 └────────► (unsigned) ┘            └──────────────────┘

The record is a document of the journal, written in one commit with the state that is told, so that neither a power cut
nor an outage loses a state or tells one twice. A request may be replaced until the installation has begun.

Source: OCPP 1.6 §4.5, §5.19, errata 3.47-3.49; security whitepaper ed. 3 L01.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from agent.maintenance.attempts import interval_of, retries_of
from agent.model.maintenance import FINAL_STATES, FirmwareState, UpdateFirmware

KEY: Final = "update"
MOST_INSTALLATIONS: Final = 3  # begun, of one image: power cuts in the middle of an installation

UNSIGNED_STATES: Final = frozenset(
    {
        FirmwareState.DOWNLOADING,
        FirmwareState.DOWNLOADED,
        FirmwareState.DOWNLOAD_FAILED,
        FirmwareState.INSTALLING,
        FirmwareState.INSTALLATION_FAILED,
        FirmwareState.INSTALLED,
    }
)


class Phase(Enum):
    """Where an update is."""

    WAIT = "wait"  # for the date to fetch it
    DOWNLOAD = "download"
    VERIFY = "verify"
    READY = "ready"  # waits for its date and for the end of the charges
    INSTALL = "install"
    REBOOT = "reboot"
    DONE = "done"


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One update.

    Attributes:
        told: the last state that was told; ``None``: none yet.
        failures: attempts to fetch it that failed. installations: those that were begun.
        running_before: what the installer called the image that ran before.
        agent_restart: the restart that puts it into force is that of this software alone.
        boot_id: the boot in which the restart was begun.
        why: of the end, or of the last failure, for people.
    """

    request: UpdateFirmware
    phase: Phase = Phase.WAIT
    told: FirmwareState | None = None
    failures: int = 0
    installations: int = 0
    running_before: str = ""
    agent_restart: bool = False
    boot_id: str = ""
    why: str = ""

    @property
    def replaceable(self) -> bool:
        """Return whether another request may take its place: nothing is being installed."""
        return self.phase not in (Phase.INSTALL, Phase.REBOOT)

    @property
    def under_way(self) -> bool:
        """Return whether it has not ended."""
        return self.phase is not Phase.DONE

    @property
    def retries(self) -> int:
        """Return how often fetching it is tried again."""
        return retries_of(self.request.retries)

    @property
    def interval_s(self) -> float:
        """Return the pause before it is tried again."""
        return interval_of(self.request.retry_interval_s)

    @property
    def current(self) -> FirmwareState | None:
        """Return what a trigger tells; ``None``: there is nothing to tell (idle).

        A signed update that failed is told until the next one; any other end is idle. Source: OCPP 1.6 §4.5;
        whitepaper L01.FR.25, L01.FR.26.
        """
        ended = self.told in FINAL_STATES
        if self.told is None or self.told is FirmwareState.INSTALLED or (ended and not self.request.signed):
            return None
        return self.told


def tells(update: Update, state: FirmwareState) -> bool:
    """Return whether ``state`` is news: one that this kind of update has, and that was not the last one told."""
    return state is not update.told and (update.request.signed or state in UNSIGNED_STATES)


def failed_installation(update: Update, *, image_refused: bool) -> FirmwareState:
    """Return the state of an installation that did not work."""
    if image_refused and update.request.signed:
        return FirmwareState.INSTALL_VERIFICATION_FAILED
    return FirmwareState.INSTALLATION_FAILED


def encode_update(update: Update) -> bytes:
    """Return the document. An ended update keeps no address, certificate or signature: nobody needs them any more."""
    if update.phase is Phase.DONE:
        kept = msgspec.structs.replace(update.request, location="", certificate_pem=None)
        kept = msgspec.structs.replace(kept, signature="" if kept.signed else None)
        update = msgspec.structs.replace(update, request=kept)
    return msgspec.json.encode(update)


def decode_update(body: bytes) -> Update:
    """Read a document. Raises ``ValueError``: it is none of ours."""
    return msgspec.json.decode(body, type=Update)
