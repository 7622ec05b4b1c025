"""The pins wire between the bench and the drivers: a shared page that is read, and JSON lines that are written.

Inputs are read from a memory-mapped page, like a GPIO or ADC register: microseconds, without another process taking
part. Outputs and pilot settings travel over a Unix stream socket, one JSON line per change. Standard library only.

The page is an array of 64-bit words in the machine's byte order (both ends run on the same machine)::

    word 0  magic "CHGBENCH"      word 4, 5  heartbeat, monotonic ns, written twice
    word 1  layout version        word 6, 7  reserved
    word 2  number of lines       word 8 + 8*i  EVSE i: sequence, high V, low V, proximity ohm, taken ns, check, -, -
    word 3  number of EVSEs       then one byte per line: 0 or 1

Further connectors of an EVSE count as EVSEs there.

An EVSE record is guarded by a sequence number (odd while it is written) and by a check word, the exclusive or of the
five words before it, because a sequence alone needs memory barriers that Python cannot ask for.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

WIRE_VERSION: Final = 1
MAGIC: Final = int.from_bytes(b"CHGBENCH", "little")
HEARTBEAT_MAX_AGE_S: Final = 1.0  # an older page is a dead bench: every level is unknown
HEARTBEAT_PERIOD_S: Final = 0.04
MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_SOCKET_PATH_BYTES: Final = 107  # sockaddr_un.sun_path less its terminating zero, Linux unix(7)

_HEADER_WORDS: Final = 8
_EVSE_WORDS: Final = 8
_HEARTBEAT: Final = 4
_READ_ATTEMPTS: Final = 50
_THREE_FLOATS: Final = struct.Struct("=3d")
_THREE_WORDS: Final = struct.Struct("=3Q")
_RECORD: Final = struct.Struct("@6Q")


class WireError(Exception):
    """A page or a message that does not follow this wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSample:
    """One look at the pilot and proximity contacts of an EVSE.

    Attributes:
        high_v, low_v: positive and negative peak, V; equal without PWM.
        proximity_ohm: coding resistor, ohm; ``inf`` no cable; ``nan`` no such contact.
        taken_ns: monotonic time at which these values became true, ns.
    """

    high_v: float
    low_v: float
    proximity_ohm: float
    taken_ns: int


def place_name(evse: int, connector: int = 1) -> str:
    """Return how the wire calls a connector: ``1``, or ``1.2`` for the second one of EVSE 1."""
    return str(evse) if connector == 1 else f"{evse}.{connector}"


def page_bytes(*, evse_count: int, line_count: int) -> int:
    """Return the size of a page in bytes."""
    return 8 * (_HEADER_WORDS + _EVSE_WORDS * evse_count) + line_count


class PageWriter:
    """The bench's side of the page. One writer only."""

    def __init__(self, path: Path, *, evse_count: int, line_count: int) -> None:
        """Create the page under ``path``, replacing an older one (whose readers then see its heartbeat age)."""
        size = page_bytes(evse_count=evse_count, line_count=line_count)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, size)
            self._map = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        self.size_bytes = size
        self._words_end = 8 * (_HEADER_WORDS + _EVSE_WORDS * evse_count)
        self._bytes = memoryview(self._map)
        self._words = self._bytes[: self._words_end].cast("Q")
        self._levels = self._bytes[self._words_end :]
        self._words[1], self._words[2], self._words[3] = WIRE_VERSION, line_count, evse_count
        self._words[0] = MAGIC
        fresh.replace(path)

    def beat(self, now_ns: int) -> None:
        """Say that the world is alive and that every value is true at ``now_ns``."""
        self._words[_HEARTBEAT] = now_ns
        self._words[_HEARTBEAT + 1] = now_ns

    def set_level(self, index: int, level: bool) -> None:
        """Show the level of a line."""
        self._levels[index] = int(level)

    def set_pilot(self, index: int, sample: PilotSample) -> None:
        """Show the pilot and proximity contacts of an EVSE."""
        start = _HEADER_WORDS + _EVSE_WORDS * index
        words = self._words
        sequence = (words[start] | 1) + 2 if words[start] % 2 else words[start] + 1
        words[start] = sequence  # odd: being written
        high, low, proximity = _THREE_WORDS.unpack(
            _THREE_FLOATS.pack(sample.high_v, sample.low_v, sample.proximity_ohm)
        )
        words[start + 1], words[start + 2], words[start + 3] = high, low, proximity
        words[start + 4] = sample.taken_ns
        words[start + 5] = (sequence + 1) ^ high ^ low ^ proximity ^ sample.taken_ns
        words[start] = sequence + 1

    def close(self) -> None:
        """Unmap the page. The file stays; its heartbeat ages."""
        self._words.release()
        self._levels.release()
        self._bytes.release()
        self._map.close()


class PageReader:
    """A driver's side of the page: every method takes microseconds and waits for nobody."""

    def __init__(self, path: str | Path) -> None:
        """Map the page.

        Raises:
            OSError: it cannot be opened. WireError: it is not a page of this version.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if size < 8 * _HEADER_WORDS:
                raise WireError(f"{path} has {size} bytes, expected at least {8 * _HEADER_WORDS}: not a bench page")
            self._map = mmap.mmap(fd, size, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self._bytes = memoryview(self._map)
        header = self._bytes[: 8 * _HEADER_WORDS].cast("Q")
        magic, version, self.line_count, self.evse_count = header[0], header[1], header[2], header[3]
        header.release()
        expected = page_bytes(evse_count=self.evse_count, line_count=self.line_count)
        if magic != MAGIC or version != WIRE_VERSION or size != expected:
            self._bytes.release()
            self._map.close()
            raise WireError(
                f"{path} has magic {magic:#x}, version {version}, {size} bytes; "
                f"expected {MAGIC:#x}, {WIRE_VERSION}, {expected}"
            )
        words_end = 8 * (_HEADER_WORDS + _EVSE_WORDS * self.evse_count)
        self._words = self._bytes[:words_end].cast("Q")
        self.levels = self._bytes[words_end:]  # one byte for each line, 0 is low
        # What each record said last: mostly it still says the same.
        self._known: list[tuple[bytes, PilotSample | None]] = [(b"", None)] * self.evse_count

    def heartbeat_ns(self) -> int:
        """Return the monotonic time of the bench's last sign of life, ns.

        A writer that was interrupted between the two words leaves them different for as long as it does not run; the
        older one was certainly written.
        """
        return min(self._words[_HEARTBEAT], self._words[_HEARTBEAT + 1]) or max(
            self._words[_HEARTBEAT], self._words[_HEARTBEAT + 1]
        )

    def level(self, index: int) -> bool:
        """Return the level of a line."""
        return self.levels[index] != 0

    def pilot(self, index: int) -> PilotSample | None:
        """Return the newest consistent sample, or ``None`` when the writer never finished one.

        While a writer is interrupted in the middle of a record, the sample before it is the newest.
        """
        start = 8 * (_HEADER_WORDS + _EVSE_WORDS * index)
        known = self._known[index]
        record = self._map[start : start + _RECORD.size]
        if record == known[0]:
            return known[1]
        for _ in range(_READ_ATTEMPTS):
            record = self._map[start : start + _RECORD.size]
            sequence, high, low, proximity, taken_ns, check = _RECORD.unpack(record)
            if sequence % 2 or not sequence or check != sequence ^ high ^ low ^ proximity ^ taken_ns:
                continue
            high_v, low_v, proximity_ohm = _THREE_FLOATS.unpack(_THREE_WORDS.pack(high, low, proximity))
            sample = PilotSample(high_v=high_v, low_v=low_v, proximity_ohm=proximity_ohm, taken_ns=taken_ns)
            self._known[index] = (record, sample)
            return sample
        return known[1]

    def close(self) -> None:
        """Unmap the page."""
        self._words.release()
        self.levels.release()
        self._bytes.release()
        self._map.close()


def encode(message: dict[str, Any]) -> bytes:
    """Return one JSON line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class MessageBuffer:
    """Cuts a byte stream into JSON objects, one per line."""

    def __init__(self, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """Return the messages that ``chunk`` completed.

        Raises:
            WireError: a line that is too long, is not JSON, or is not an object. The stream is then useless.
        """
        self._pending += chunk
        *lines, rest = self._pending.split(b"\n")
        self._pending = bytearray(rest)
        if len(self._pending) > self._limit_bytes:
            raise WireError(f"a message of more than {self._limit_bytes} bytes")
        return [_object(bytes(line)) for line in lines if line.strip()]


def check_socket_path(path: str | Path) -> str:
    """Return ``path`` as text, or raise ``WireError`` when the kernel would refuse it as a Unix socket."""
    text = os.fspath(path)
    size = len(os.fsencode(text))
    if size > MAX_SOCKET_PATH_BYTES:
        raise WireError(f"the socket path {text} has {size} bytes, the kernel allows {MAX_SOCKET_PATH_BYTES}")
    return text


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError as exc:
        raise WireError(f"not JSON: {line[:80]!r}") from exc
    if not isinstance(message, dict):
        raise WireError(f"{line[:80]!r} is not a JSON object")
    return message
