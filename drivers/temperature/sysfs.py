"""A temperature that the kernel shows as a file: hwmon, IIO, thermal zone or 1-wire."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import Any, Final

from drivers.api import DriverKind, DriverProtocolError, DriverSpec, DriverUnavailable, Option, OptionProblem

LOWEST_C: Final = -60.0  # below and above no sensor in a station is right
HIGHEST_C: Final = 200.0
POWER_ON_C: Final = 85.0  # what a DS18B20 shows before its first conversion. DS18B20 data sheet, table 1
LARGEST_B: Final = 4096
SHAPES: Final = ("milli", "iio", "w1_slave")


class SysfsTemperature:
    """One file with a temperature."""

    def __init__(self, *, path: str, shape: str = "milli") -> None:
        """Remember where it is; nothing is opened, since such files come and go with their bus.

        Args:
            path: the file. A ``*`` stands for the part that the kernel numbers anew at each start
                (``/sys/bus/i2c/devices/1-0048/hwmon/hwmon*/temp1_input``); it must fit exactly one file.
            shape: ``milli``: thousandths of a degree (hwmon ``temp1_input``, thermal ``temp``, 1-wire ``temperature``);
                ``iio``: ``in_temp_raw``, with ``in_temp_scale`` and ``in_temp_offset`` beside it; ``w1_slave``: the two
                lines of the 1-wire driver with their check.
        """
        self._path = path
        self._shape = shape

    def read(self) -> float:
        """Return degC. Raises ``DriverUnavailable`` (no such file), ``DriverProtocolError`` (no temperature in it)."""
        path = self._one_path()
        text = _text(path)
        match self._shape:
            case "iio":
                value_c = self._iio_c(path, _number(path, text))
            case "w1_slave":
                value_c = _w1_slave_c(path, text)
            case _:
                value_c = _number(path, text) / 1000
        if not LOWEST_C <= value_c <= HIGHEST_C:
            raise DriverProtocolError(f"{path}: {value_c:g} degC is outside {LOWEST_C:g}-{HIGHEST_C:g} degC")
        if value_c == POWER_ON_C and ("w1_slave" in path or "/w1/" in path or "/28-" in path):
            raise DriverProtocolError(f"{path}: {POWER_ON_C:g} degC is what a 1-wire sensor shows after losing power")
        return value_c

    def close(self) -> None:
        """Nothing is held open."""

    def _one_path(self) -> str:
        if "*" not in self._path:
            return self._path
        found = glob.glob(self._path)
        if len(found) != 1:
            raise DriverUnavailable(f"{self._path} fits {len(found)} files, expected one")
        return found[0]

    @staticmethod
    def _iio_c(path: str, raw: float) -> float:
        """Return (raw + offset) x scale in degC. Source: kernel, Documentation/ABI/testing/sysfs-bus-iio."""
        stem = path.removesuffix("_raw")
        try:
            offset = _number(f"{stem}_offset", _text(f"{stem}_offset"))
        except DriverUnavailable:
            offset = 0.0  # a device without one has none
        return (raw + offset) * _number(f"{stem}_scale", _text(f"{stem}_scale")) / 1000


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_B).decode("ascii", "replace").strip()
    except OSError as exc:
        raise DriverUnavailable(f"{path}: {exc.strerror or exc}") from exc


def _number(path: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as exc:
        raise DriverProtocolError(f"{path}: {text[:40]!r} is no number") from exc
    if value - value != 0:
        raise DriverProtocolError(f"{path}: {text[:40]!r} is no finite number")
    return value


def _w1_slave_c(path: str, text: str) -> float:
    """Return degC of ``... : crc=4d YES`` and ``... t=23125``. Source: kernel, Documentation/w1/slaves/w1_therm.rst."""
    first, _, second = text.partition("\n")
    if not first.endswith("YES"):
        raise DriverProtocolError(f"{path}: the sensor's check sum does not fit")
    _, mark, value = second.partition("t=")
    if not mark:
        raise DriverProtocolError(f"{path}: {second[:40]!r} holds no t=")
    return _number(path, value) / 1000


def check(options: Mapping[str, Any]) -> list[OptionProblem]:
    """Return what is wrong with checked options."""
    if options.get("shape") == "iio" and not str(options["path"]).endswith("_raw"):
        return [OptionProblem(option="path", problem=f"{options['path']!r} does not end in _raw, as shape iio needs")]
    return []


SPEC = DriverSpec(
    name="sysfs",
    kind=DriverKind.TEMPERATURE,
    target="drivers.temperature.sysfs:SysfsTemperature",
    options=(
        Option(name="path", type=str, required=True, help="the sensor's file; * for a part that the kernel numbers"),
        Option(name="shape", type=str, default="milli", choices=SHAPES, help="what stands in the file"),
    ),
    summary="A file of the kernel: hwmon, IIO, thermal zone, 1-wire",
    check=check,
)
