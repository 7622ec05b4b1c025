"""The roots that the station trusts: those of the station file, and those that the CSMS installed.

With ``additional_check`` (AdditionalRootCertificateCheck) a new root for the CSMS must be signed by one that is there;
it is tried alone, the old ones stay as fall-back until a connection was made with it, and then go.

Source: security whitepaper M03-M05, A00.FR.415; OCPP 2.0.1 M05.FR.09-17.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.atomic import sync_folder
from agent.model.security import (
    CertificateName,
    CertificateOutcome,
    HashAlgorithm,
    RootAnswer,
    RootPurpose,
)
from agent.model.standard_variables import MOST_ROOTS
from agent.security.private_files import write_private

FOLDER: Final = "roots"
MOST_INSTALLED: Final = MOST_ROOTS
ALREADY: Final = "it is there already"
NO_ROOM: Final = f"{MOST_INSTALLED} roots are installed, there is no room"
_TENTATIVE: Final = "tentative"


class RootStore:
    """The roots of one station.

    Args:
        folder: of the station's security files.
        configured: PEM files that the station file names for the CSMS: trusted, listed, never deleted from here.
        additional_check: see above.
    """

    def __init__(self, folder: Path, configured: Sequence[Path], *, additional_check: bool) -> None:
        self._folder = folder / FOLDER
        self._configured = tuple(configured)
        self._additional_check = additional_check

    def installed(self, purpose: RootPurpose) -> tuple[str, ...]:
        """Return the roots that were installed, PEM, oldest first. Raises ``OSError``."""
        return tuple(path.read_text("ascii") for path in self._paths(purpose))

    def configured(self) -> tuple[str, ...]:
        """Return the roots that the station file names, PEM. Raises ``OSError``, ``ValueError``."""
        return tuple(path.read_text("utf-8") for path in self._configured)

    def tentative(self) -> str | None:
        """Return the CSMS root that is tried alone before the others count as replaced; ``None`` without one."""
        mark = self._folder / _TENTATIVE
        try:
            return (self._folder / mark.read_text("ascii").strip()).read_text("ascii")
        except (OSError, ValueError):
            return None

    def any_for_csms(self) -> bool:
        """Return whether somebody named a root for the CSMS, in the station file or by installing it."""
        return bool(self._configured) or bool(self._paths(RootPurpose.CSMS))

    def count(self) -> int:
        """Return how many roots were installed."""
        return sum(len(self._paths(purpose)) for purpose in RootPurpose)

    def is_full(self) -> bool:
        """Return whether no further root can be installed."""
        return self.count() >= MOST_INSTALLED

    def install(self, purpose: RootPurpose, pem: str, now_s: float | None) -> CertificateOutcome:
        """Trust another root, durably when this returns; one that is there already is accepted again."""
        from agent.security import certificates

        try:
            present = self.installed(purpose)
            signers = (*self.configured(), *present) if purpose is RootPurpose.CSMS and self._additional_check else ()
            certificates.check_root(pem, signers=signers, now_s=now_s)
            name = f"{purpose.value}-{certificates.fingerprint_of(pem)[:32]}.pem"
            if (self._folder / name).exists():
                return CertificateOutcome(answer=RootAnswer.ACCEPTED, why=ALREADY)
            if self.is_full():
                return CertificateOutcome(answer=RootAnswer.REJECTED, why=NO_ROOM)
            write_private(self._folder / name, pem.encode("ascii"))
            if signers:
                write_private(self._folder / _TENTATIVE, name.encode("ascii"))
        except certificates.Rejected as rejected:
            return CertificateOutcome(answer=RootAnswer.REJECTED, why=str(rejected))
        except (OSError, ValueError, ImportError) as error:
            return CertificateOutcome(answer=RootAnswer.FAILED, why=str(error))
        return CertificateOutcome(answer=RootAnswer.ACCEPTED)

    def proven(self) -> bool:
        """A connection was made with the tentative root alone: the older installed ones go. Returns whether any was."""
        mark = self._folder / _TENTATIVE
        try:
            name = mark.read_text("ascii").strip()
        except OSError:
            return False
        for path in self._paths(RootPurpose.CSMS):
            if path.name != name:
                path.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        sync_folder(self._folder)
        return True

    def delete(self, name: CertificateName, *, needed: bool, in_use: Sequence[str] = ()) -> CertificateOutcome:
        """Do not trust an installed root any more.

        Args:
            needed: TLS is in use, so the last root for the CSMS must stay.
            in_use: SHA-256 of the certificates that vouch for the present connection, hex.
        """
        from agent.security import certificates

        try:
            for purpose in RootPurpose:
                paths = self._paths(purpose)
                for path in paths:
                    pem = path.read_text("ascii")
                    if not self._is_named(pem, name):
                        continue
                    last = len(paths) == 1 and not self._configured
                    used = certificates.fingerprint_of(pem) in in_use
                    if purpose is RootPurpose.CSMS and needed and (last or used):
                        return CertificateOutcome(answer=RootAnswer.FAILED, why="the connection to the CSMS needs it")
                    path.unlink()
                    sync_folder(self._folder)
                    return CertificateOutcome(answer=RootAnswer.ACCEPTED)
            if any(self._is_named(pem, name) for pem in self.configured()):
                return CertificateOutcome(answer=RootAnswer.FAILED, why="the station file names it")
        except certificates.Rejected as rejected:
            return CertificateOutcome(answer=RootAnswer.FAILED, why=str(rejected))
        except (OSError, ValueError, ImportError) as error:
            return CertificateOutcome(answer=RootAnswer.FAILED, why=str(error))
        return CertificateOutcome(answer=RootAnswer.NOT_FOUND)

    def names(self, purpose: RootPurpose | None) -> tuple[tuple[RootPurpose, CertificateName], ...]:
        """Return the names of the roots of one purpose or of all. Raises ``OSError``, ``Rejected``, ``ValueError``."""
        from agent.security.certificates import name_of
        from agent.security.validity import certificates_in

        found: dict[CertificateName, RootPurpose] = {}
        for each in RootPurpose if purpose is None else (purpose,):
            pems = [*self.installed(each)]
            if each is RootPurpose.CSMS:
                pems += [one for text in self.configured() for one in certificates_in(text)]
            for pem in pems:
                found.setdefault(name_of(pem, self._issuers()), each)
        return tuple((each, name) for name, each in found.items())

    def _is_named(self, pem: str, name: CertificateName) -> bool:
        from agent.security.certificates import name_of
        from agent.security.validity import certificates_in

        algorithm: HashAlgorithm = name.algorithm
        return any(name_of(one, self._issuers(), algorithm) == name for one in certificates_in(pem))

    def _issuers(self) -> tuple[str, ...]:
        return (*self.installed(RootPurpose.CSMS), *self.installed(RootPurpose.MANUFACTURER), *self.configured())

    def _paths(self, purpose: RootPurpose) -> list[Path]:
        try:
            found = [path for path in self._folder.iterdir() if path.match(f"{purpose.value}-*.pem")]
            return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
        except FileNotFoundError:
            return []
