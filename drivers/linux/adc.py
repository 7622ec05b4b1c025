"""Analogue inputs: by the kernel's IIO subsystem, or MCP3004/3008/3204/3208 straight over spidev.

Both give bursts: many conversions at once, in raw counts, because one conversion says nothing about a square wave.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from struct import Struct
from typing import Final, Protocol

from drivers.api import DriverProtocolError, DriverUnavailable
from drivers.linux.machine import Machine, read_text, reason

IIO: Final = "/sys/bus/iio/devices"
MOST_SAMPLES: Final = 500  # SPI_IOC_MESSAGE has a size field of 14 bits: 511 transfers of 32 bytes. linux/spi/spidev.h

# linux/spi/spidev.h and asm-generic/ioctl.h: _IOW('k', number, size)
_IOW: Final = 1 << 30 | ord("k") << 8
_WR_MODE: Final = _IOW | 1 << 16 | 1
_WR_MAX_SPEED_HZ: Final = _IOW | 4 << 16 | 4
_TRANSFER: Final = Struct("=QQIIHBBBBBB")  # struct spi_ioc_transfer
_FRAME_B: Final = 3
# Pauses of 0-7 us between conversions, so that they do not keep step with the 1 kHz of the pilot.
_DITHER_US: Final = tuple(number * 5 % 8 for number in range(8))


class Burst(Protocol):
    """A prepared burst over some channels of an ADC."""

    def take(self) -> Sequence[int]:
        """Return the raw counts, in the order of the channels asked for. Raises ``OSError``, ``DriverError``."""


class Adc(Protocol):
    """An analogue-to-digital converter."""

    name: str

    def burst(self, channels: Sequence[int]) -> Burst:
        """Prepare one conversion for each of ``channels``, in order. Raises ``OSError``, ``DriverUnavailable``."""

    def volts(self, channel: int, raw: float) -> float:
        """Return the voltage at the input of the converter."""

    def clipped(self, raw: float) -> bool:
        """Return whether ``raw`` is at the end of the range: the true voltage may be beyond it."""

    def close(self) -> None:
        """Release the device."""


class IioAdc:
    """An ADC of the kernel, found by its name or the name of its device. V = (raw + offset) x scale / 1000.

    Source: Documentation/ABI/testing/sysfs-bus-iio, in_voltageY_raw, _scale (mV), _offset.
    """

    def __init__(self, machine: Machine, device: str) -> None:
        """Find the device. Raises ``DriverUnavailable``."""
        self.name = f"ADC {device}"
        self._machine = machine
        self._folder = _find_iio(machine, device)
        self._fds: dict[int, int] = {}
        self._scales: dict[int, tuple[float, float]] = {}

    def burst(self, channels: Sequence[int]) -> Burst:
        """See ``Adc``."""
        for channel in channels:
            if channel not in self._fds:
                self._fds[channel] = self._machine.open(f"{self._folder}/in_voltage{channel}_raw", write=False)
                offset, scale = self._attribute(channel, "offset"), self._attribute(channel, "scale")
                if scale is None:
                    raise DriverUnavailable(f"{self.name}: channel {channel} has no scale, expected in_voltage_scale")
                self._scales[channel] = (offset or 0.0, scale / 1000)
        return _IioBurst(self._machine, [self._fds[channel] for channel in channels])

    def volts(self, channel: int, raw: float) -> float:
        """See ``Adc``."""
        offset, scale = self._scales[channel]
        return (raw + offset) * scale

    def clipped(self, raw: float) -> bool:
        """See ``Adc``. IIO does not tell the range of a channel."""
        return False

    def close(self) -> None:
        """See ``Adc``."""
        fds, self._fds = self._fds, {}
        for fd in fds.values():
            self._machine.close(fd)

    def _attribute(self, channel: int, name: str) -> float | None:
        for path in (f"{self._folder}/in_voltage{channel}_{name}", f"{self._folder}/in_voltage_{name}"):
            try:
                return float(read_text(self._machine, path))
            except FileNotFoundError:
                continue
            except ValueError as problem:
                raise DriverUnavailable(f"{self.name}: {path}: {problem}") from problem
        return None


class _IioBurst:
    def __init__(self, machine: Machine, fds: Sequence[int]) -> None:
        self._read, self._fds = machine.read, tuple(fds)

    def take(self) -> Sequence[int]:
        try:
            return [int(self._read(fd)) for fd in self._fds]
        except ValueError as problem:
            raise DriverProtocolError(f"an IIO channel is no whole number: {problem}") from problem


class McpAdc:
    """An MCP3004, MCP3008 (10 bit), MCP3204 or MCP3208 (12 bit). A whole burst is one ioctl.

    Source: Microchip DS21295 (MCP3004/3008) figure 6-1, DS21298 (MCP3204/3208) figure 6-1: three bytes for each
    conversion, between which the chip must be deselected; a null bit comes before the result.
    """

    def __init__(self, machine: Machine, kind: str, device: str, *, reference_v: float, spi_hz: int) -> None:
        """Open ``device`` (``/dev/spidev0.0``). Raises ``DriverUnavailable``."""
        self.name = f"{kind.upper()} at {device}"
        self._machine = machine
        self._twelve_bit = kind.startswith("mcp32")
        self._full = 4095 if self._twelve_bit else 1023
        self._volts_per_count = reference_v / (self._full + 1)
        self._spi_hz = spi_hz
        self._fd: int | None = None
        try:
            self._fd = machine.open(device, write=True)
            machine.ioctl(self._fd, _WR_MODE, array("B", [0]))
            machine.ioctl(self._fd, _WR_MAX_SPEED_HZ, array("B", spi_hz.to_bytes(4, "little")))
        except OSError as problem:
            self.close()
            hint = "; the user must be in the group spi" if isinstance(problem, PermissionError) else ""
            raise DriverUnavailable(f"{self.name}: {reason(problem)}{hint}") from problem

    def burst(self, channels: Sequence[int]) -> Burst:
        """See ``Adc``."""
        if self._fd is None:
            raise DriverUnavailable(f"{self.name}: closed")
        sent = array("B", b"".join(self._question(channel) for channel in channels))
        return _McpBurst(self._machine, self._fd, self.name, sent, twelve_bit=self._twelve_bit, spi_hz=self._spi_hz)

    def volts(self, channel: int, raw: float) -> float:
        """See ``Adc``."""
        return raw * self._volts_per_count

    def clipped(self, raw: float) -> bool:
        """See ``Adc``."""
        return raw <= 0 or raw >= self._full

    def close(self) -> None:
        """See ``Adc``."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._machine.close(fd)

    def _question(self, channel: int) -> bytes:
        if self._twelve_bit:
            return bytes((0x06 | channel >> 2, (channel & 3) << 6, 0))
        return bytes((0x01, 0x80 | channel << 4, 0))


class _McpBurst:
    def __init__(
        self, machine: Machine, fd: int, name: str, sent: array[int], *, twelve_bit: bool, spi_hz: int
    ) -> None:
        self._machine, self._fd, self._name = machine, fd, name
        self._sent = sent  # must stay where it is in memory: the kernel reads and writes there
        self._received = array("B", bytes(len(sent)))
        count = len(sent) // _FRAME_B
        null_bit, high_bits = (0x10, 0x0F) if twelve_bit else (0x04, 0x03)
        self._null_bits = int.from_bytes(bytes((null_bit,)) * count, "big")
        self._high_bits = int.from_bytes(bytes((high_bits,)) * count, "big")
        self._request = _IOW | count * _TRANSFER.size << 16
        tx, rx = sent.buffer_info()[0], self._received.buffer_info()[0]
        transfers = bytearray()
        for number in range(count):
            at, last = number * _FRAME_B, number == count - 1
            pause_us = _DITHER_US[number % len(_DITHER_US)]
            transfers += _TRANSFER.pack(tx + at, rx + at, _FRAME_B, spi_hz, pause_us, 8, not last, 0, 0, 0, 0)
        self._transfers = array("B", transfers)

    def take(self) -> Sequence[int]:
        self._machine.ioctl(self._fd, self._request, self._transfers)
        received = self._received.tobytes()
        # Of all conversions at once, as one long number: a loop over them would cost as much as the rest of a scan.
        middle = int.from_bytes(received[1::_FRAME_B], "big")
        if middle & self._null_bits:
            raise DriverProtocolError(f"{self._name}: a conversion came without its null bit: no chip, or no power")
        counts = array("H", bytes(2 * (len(received) // _FRAME_B)))
        pairs = memoryview(counts).cast("B")
        low_byte = 0 if sys.byteorder == "little" else 1
        pairs[low_byte::2] = received[2::_FRAME_B]
        pairs[1 - low_byte :: 2] = (middle & self._high_bits).to_bytes(len(counts), "big")
        return counts


def iio_devices(machine: Machine) -> list[tuple[str, str, str]]:
    """Return the IIO devices of this machine: its name, the name of its parent device, its folder."""
    try:
        folders = [f"{IIO}/{name}" for name in sorted(machine.names(IIO)) if name.startswith("iio:device")]
    except OSError:
        return []
    devices = []
    for folder in folders:
        try:
            name = read_text(machine, f"{folder}/name")
        except OSError:
            name = ""
        parent = machine.real_path(folder).rpartition("/")[0].rpartition("/")[2]
        devices.append((name, parent, folder))
    return devices


def _find_iio(machine: Machine, device: str) -> str:
    devices = iio_devices(machine)
    found = [folder for name, parent, folder in devices if device in (name, parent)]
    if len(found) == 1:
        return found[0]
    if found:
        parents = ", ".join(parent for name, parent, _ in devices if device in (name, parent))
        raise DriverUnavailable(f"ADC {device}: {len(found)} devices have this name; name one of {parents}")
    from drivers.registry import closest

    names = [each for name, parent, _ in devices for each in (name, parent) if each]
    near = closest(device, names)
    there = ", ".join(f"{name} ({parent})" for name, parent, _ in devices) or "none"
    meant = f"; did you mean {near!r}?" if near else ""
    raise DriverUnavailable(f"ADC {device}: no such IIO device, there are: {there}{meant}")
