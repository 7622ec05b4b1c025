"""Files by FTP and FTPS, blocking, with the standard library. Passive mode, binary.

``ftps`` is TLS from the first byte on port 990, else asked for with AUTH TLS; the files go over TLS in any case.

Source: RFC 959 (FTP), RFC 3659 (SIZE, MDTM, REST STREAM), RFC 4217 (FTP over TLS).
"""

from __future__ import annotations

import contextlib
import ftplib
import posixpath
import socket
import ssl
from pathlib import Path
from typing import Any

from agent.maintenance.address import IMPLICIT_FTPS_PORT, Address
from agent.maintenance.part_file import NoRoom, PartFile, TooLarge
from agent.maintenance.transfer import CHUNK_B, SILENCE_S, Means, Stop, TransferFailed, TransferStopped, Trouble


def fetch_ftp(address: Address, part: PartFile, means: Means, stop: Stop) -> None:
    """Fetch into ``part``; see ``transfer.fetch``. The part is left open for ``finish``."""
    link = _opened(address, means, stop)
    try:
        link.voidcmd("TYPE I")
        total_b, validator = _size(link, address.path), _changed(link, address.path)
        known = part.known()
        same = known.durable_b > 0 and known.total_b == total_b and known.validator == validator
        offset_b = known.durable_b if same and total_b is not None else 0
        part.begin(offset_b, total_b=total_b, validator=validator)
        content = link.transfercmd(f"RETR {address.path}", rest=offset_b or None)
        stop.closes_socket(content)
        with content:
            while chunk := content.recv(CHUNK_B):
                part.write(chunk)
                stop.check()
        link.voidresp()
    except (TooLarge, NoRoom) as error:
        part.discard()
        trouble = Trouble.TOO_LARGE if isinstance(error, TooLarge) else Trouble.NO_ROOM
        raise TransferFailed(trouble, str(error)) from error
    except TransferStopped:
        with contextlib.suppress(OSError):
            part.pause()
        raise
    except ftplib.all_errors as error:
        with contextlib.suppress(OSError):
            part.pause()
        stop.check()
        raise _failed(address, error) from error
    finally:
        link.close()


def send_ftp(address: Address, file: Path, name: str, means: Means, stop: Stop) -> None:
    """Send ``file``; see ``transfer.send``. An address that names a folder there gets it under ``name``."""
    link = _opened(address, means, stop)
    try:
        link.voidcmd("TYPE I")
        content = link.transfercmd(f"STOR {_place(link, address, name)}")
        stop.closes_socket(content)
        with content, file.open("rb") as body:
            while chunk := body.read(CHUNK_B):
                stop.check()
                content.sendall(chunk)
            if isinstance(content, ssl.SSLSocket):
                with contextlib.suppress(OSError):  # servers exist that hang up instead
                    content.unwrap()
        link.voidresp()
    except ftplib.all_errors as error:
        stop.check()
        raise _failed(address, error) from error
    finally:
        link.close()


def _opened(address: Address, means: Means, stop: Stop) -> ftplib.FTP:
    stop.check()
    encrypted = address.scheme == "ftps"
    link: ftplib.FTP = _EncryptedFtp(means.tls(), address.port) if encrypted else ftplib.FTP()
    try:
        link.connect(address.host, address.port, timeout=SILENCE_S)
        stop.closes_socket(link.sock)
        link.login(address.user or "anonymous", address.password or ("" if address.user else "anonymous@"))
        if isinstance(link, ftplib.FTP_TLS):
            link.prot_p()
    except ssl.SSLCertVerificationError as error:
        link.close()
        why = f"its certificate is not believed: {error.verify_message}"
        raise TransferFailed(Trouble.UNREACHABLE, f"{address.shown}: {why}") from error
    except ftplib.all_errors as error:
        link.close()
        stop.check()
        raise _failed(address, error) from error
    return link


class _EncryptedFtp(ftplib.FTP_TLS):
    """FTP over TLS whose connections for files go on with the session of the first one, as many servers want."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._implicit = port == IMPLICIT_FTPS_PORT
        super().__init__(context=context)

    def connect(self, *arguments: Any, **named: Any) -> str:
        """Connect; on port 990 TLS comes before the greeting."""
        if not self._implicit:
            return super().connect(*arguments, **named)
        host, port = arguments[0], arguments[1]
        self.host, self.port, self.timeout = host, port, named["timeout"]
        plain = socket.create_connection((host, port), self.timeout)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """Open the connection for a file."""
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(plain, server_hostname=self.host, session=session), size


def _place(link: ftplib.FTP, address: Address, name: str) -> str:
    """Return the path to store at: in the folder that the address names, or the address's own."""
    home = link.pwd()
    try:
        link.cwd(address.path)
    except ftplib.error_perm:
        if address.path.endswith("/"):
            raise
        return address.path
    link.cwd(home)
    return posixpath.join(address.path, name)


def _size(link: ftplib.FTP, path: str) -> int | None:
    try:
        return link.size(path)
    except ftplib.error_perm:
        return None


def _changed(link: ftplib.FTP, path: str) -> str:
    try:
        return link.sendcmd(f"MDTM {path}").partition(" ")[2].strip()
    except ftplib.error_perm:
        return ""


def _failed(address: Address, error: Exception) -> TransferFailed:
    text = str(error) or type(error).__name__
    code = text[:3]
    if isinstance(error, TimeoutError):
        text = f"it says nothing for {SILENCE_S:.0f} s"
    trouble = Trouble.UNREACHABLE
    if isinstance(error, ftplib.error_perm):
        trouble = {
            "530": Trouble.DENIED,
            "532": Trouble.DENIED,
            "550": Trouble.MISSING,
            "552": Trouble.NOT_SUPPORTED,
            "553": Trouble.DENIED,
        }.get(code, Trouble.NOT_SUPPORTED)
    elif isinstance(error, ftplib.error_proto | ftplib.error_reply):
        trouble = Trouble.NOT_UNDERSTOOD
    return TransferFailed(trouble, f"{address.shown}: {text}")
