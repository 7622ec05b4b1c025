"""One channel of a hardware PWM through sysfs, found by the name of its device, never by the number of its chip.

The kernel's rules, which decide the order of the writes (Documentation/driver-api/pwm.rst, drivers/pwm/sysfs.c):
every write is applied at once and refused with EINVAL while period is 0 or duty cycle is longer than period; polarity
changes only while disabled; a channel that is exported, or used by the kernel, answers EBUSY to export. ``export``
returns before udev has given the new files to their group. The output goes on when the process dies.
"""

from __future__ import annotations

import errno
from typing import Final

from drivers.api import DriverUnavailable
from drivers.linux.machine import Machine, read_text, reason, write_text

CLASS: Final = "/sys/class/pwm"
PERIOD_NS: Final = 1_000_000  # 1 kHz. IEC 61851-1:2017 Annex A, table A.2
EXPORT_WAIT_S: Final = 0.5  # for udev, asked every 10 ms; house rule
_ATTRIBUTES: Final = ("period", "duty_cycle", "polarity", "enable")


class PwmChannel:
    """A channel. Opening exports it and changes no output; the first ``set`` brings it into order."""

    def __init__(self, machine: Machine, *, chip: str, channel: int, inverted: bool) -> None:
        """Open channel ``channel`` of the PWM whose device is called ``chip`` (``1f00098000.pwm``).

        Args:
            inverted: the board inverts it: the duty cycle is complemented, since not every chip has a polarity.

        Raises:
            DriverUnavailable: no such device or channel, or it is used by the kernel or not ours to write.
        """
        self.name = f"PWM {chip} channel {channel}"
        self._machine = machine
        self._inverted = inverted
        self._fds: dict[str, int] = {}
        self._expected: tuple[tuple[int, bytes], ...] = ()
        self._turn = 0
        folder = _find(machine, chip)
        try:
            count = int(read_text(machine, f"{folder}/npwm"))
            if not 0 <= channel < count:
                raise DriverUnavailable(f"{self.name}: expected a channel from 0 to {count - 1}")
            _export(machine, folder, channel)
            self._open(f"{folder}/pwm{channel}")
        except (OSError, ValueError) as problem:
            self.close()
            raise DriverUnavailable(f"{self.name}: {_said(problem)}") from problem

    def set(self, high_ns: int) -> None:
        """Put the generator at its positive level for ``high_ns`` of each period, 0 to ``PERIOD_NS``.

        Raises:
            DriverUnavailable: the kernel refused; what the output does now is unknown until the next ``set``.
        """
        duty_ns = PERIOD_NS - high_ns if self._inverted else high_ns
        ordered, self._expected = bool(self._expected), ()
        try:
            if ordered:
                self._write("duty_cycle", duty_ns)
            else:
                self._bring_into_order(duty_ns)
        except (OSError, ValueError) as problem:
            raise DriverUnavailable(f"{self.name}: {_said(problem)}") from problem
        wanted = {"duty_cycle": str(duty_ns), "enable": "1", "period": str(PERIOD_NS), "polarity": "normal"}
        self._expected = tuple((self._fds[name], text.encode()) for name, text in wanted.items())

    def check(self) -> None:
        """Look at one of the four attributes, by turns; nothing before the first ``set``.

        Raises:
            DriverUnavailable: the device is gone, or somebody else wrote to the channel.
        """
        if not self._expected:
            return
        turn = self._turn = (self._turn + 1) % len(self._expected)
        fd, expected = self._expected[turn]
        try:
            found = self._machine.read(fd).strip()
        except OSError as problem:
            raise DriverUnavailable(f"{self.name}: {reason(problem)}") from problem
        if found != expected:
            self._expected = ()  # the next set writes everything
            what = next(name for name, each in self._fds.items() if each == fd)
            text = f"{what} is {found.decode('ascii', 'replace')}, expected {expected.decode()}"
            raise DriverUnavailable(f"{self.name}: {text}: another program writes to it")

    def shown(self) -> str:
        """Return what its attributes say now. Raises ``DriverUnavailable``."""
        try:
            return ", ".join(f"{name} {self._read(name)}" for name in _ATTRIBUTES)
        except OSError as problem:
            raise DriverUnavailable(f"{self.name}: {reason(problem)}") from problem

    def close(self) -> None:
        """Let go of the channel; it stays exported and its output goes on."""
        fds, self._fds, self._expected = self._fds, {}, ()
        for fd in fds.values():
            self._machine.close(fd)

    def _open(self, folder: str) -> None:
        deadline_s = self._machine.now_s() + EXPORT_WAIT_S
        while True:
            try:
                for name in _ATTRIBUTES:
                    if name not in self._fds:
                        self._fds[name] = self._machine.open(f"{folder}/{name}", write=True)
                return
            except OSError as problem:  # not there yet, or still root's: udev is on its way
                waiting = problem.errno in (errno.ENOENT, errno.EACCES, errno.EPERM)
                if not waiting or self._machine.now_s() >= deadline_s:
                    raise
            self._machine.pause(0.01)

    def _bring_into_order(self, duty_ns: int) -> None:
        period_ns = int(self._read("period"))
        if self._read("polarity") != "normal":
            if self._read("enable") != "0":
                self._write("enable", 0)
            if period_ns == 0:
                self._write("period", PERIOD_NS)
                period_ns = PERIOD_NS
            self._write_text("polarity", "normal")
        if period_ns > PERIOD_NS:  # shrinking: first the duty cycle, so that it never is longer than the period
            self._write("duty_cycle", duty_ns)
            self._write("period", PERIOD_NS)
        else:
            if period_ns < PERIOD_NS:
                self._write("period", PERIOD_NS)
            self._write("duty_cycle", duty_ns)
        if self._read("enable") != "1":
            self._write("enable", 1)

    def _read(self, name: str) -> str:
        return self._machine.read(self._fds[name]).decode("ascii", "replace").strip()

    def _write(self, name: str, value: int) -> None:
        self._write_text(name, str(value))

    def _write_text(self, name: str, text: str) -> None:
        try:
            self._machine.write(self._fds[name], text.encode("ascii"))
        except OSError as problem:
            raise OSError(problem.errno, f"{name} = {text}: {reason(problem)}") from problem
        except KeyError as problem:
            raise OSError(errno.ENODEV, "the channel is closed") from problem


def pwm_devices(machine: Machine) -> list[tuple[str, str]]:
    """Return the PWM devices of this machine: name of the device and folder of its chip."""
    try:
        chips = [name for name in machine.names(CLASS) if name.startswith("pwmchip")]
    except OSError:
        return []
    devices = []
    for name in sorted(chips):
        device = machine.real_path(f"{CLASS}/{name}/device")
        devices.append((device.rpartition("/")[2], f"{CLASS}/{name}"))
    return devices


def _find(machine: Machine, chip: str) -> str:
    devices = pwm_devices(machine)
    found = [folder for name, folder in devices if name == chip]
    if len(found) == 1:
        return found[0]
    if found:
        raise DriverUnavailable(f"PWM {chip}: {len(found)} chips belong to this device, expected one")
    there = ", ".join(name for name, _ in devices) or "none (is its overlay loaded?)"
    from drivers.registry import closest

    near = closest(chip, [name for name, _ in devices])
    raise DriverUnavailable(
        f"PWM {chip}: no such device, there are: {there}{f'; did you mean {near!r}?' if near else ''}"
    )


def _export(machine: Machine, folder: str, channel: int) -> None:
    if f"pwm{channel}" in machine.names(folder):
        return  # by an earlier run; its output goes on
    try:
        write_text(machine, f"{folder}/export", str(channel))
    except OSError as problem:
        if problem.errno == errno.EBUSY:
            raise OSError(errno.EBUSY, "is already in use by the kernel (a fan, a backlight?)") from problem
        raise


def _said(problem: Exception) -> str:
    if isinstance(problem, PermissionError):
        return f"{reason(problem)}; the user must be in the group of /sys/class/pwm (udev rule, docs/drivers/linux.md)"
    return reason(problem) if isinstance(problem, OSError) else str(problem)
