"""How a driver describes itself, so that a station file can be checked without opening any hardware.

Give the members by name. They are named tuples because those are made in a third of a dataclass's time, and every
process of a station starts with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction, SafeOutput


class DriverKind(Enum):
    """The kinds of driver; the value ends the name of the entry-point group ``charge_agent.<value>``."""

    POWER_PATH = "power_path"
    CONTROLLER = "controller"
    LINES = "lines"
    METER = "meter"
    READER = "reader"
    CLOCK = "clock"
    TEMPERATURE = "temperature"
    INSTALLER = "installer"


class Option(NamedTuple):
    """One option of a driver in the station file.

    Attributes:
        type: ``str``, ``int``, ``float`` or ``bool``.
        unit: what a number counts, for the documentation.
        minimum, maximum: inclusive range of a number.
        choices: allowed values, empty for any.
    """

    name: str
    type: type
    required: bool = False
    default: Any = None
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""


class OptionProblem(NamedTuple):
    """What is wrong with one option: which, and a sentence that says the value and what was expected."""

    option: str
    problem: str


class Look(NamedTuple):
    """What a look at the real device found.

    Attributes:
        problems: what is wrong; ``option`` is the option, or the line, that it is about.
        seen: sentences for a technician: what was measured, and where.
    """

    problems: tuple[OptionProblem, ...] = ()
    seen: tuple[str, ...] = ()


class DriverSpec(NamedTuple):
    """One driver: its name in the station file, its options, and the place that opens it.

    Attributes:
        target: ``module:callable``. The callable takes the checked options as keyword arguments and returns an object
            that meets the contract of ``kind``. It is imported only when the driver is opened, so that a guard never
            pays for a meter library.
        check: optional deeper check of the options, called after types and ranges are right.
        safe: optional; what makes the outputs of a device with these checked options safe without this driver: pilot
            at F, currents at zero. Only names things; opens nothing.
        safe_lines: the same for a board's on/off lines, for those outputs that the station file uses.
        claims: optional; names what a device with these options must have for itself (a PWM channel): two devices
            that name the same are refused.
        sees_cable: optional, of a power path; whether these options give it a proximity contact. Without one only an
            EVSE with a fixed cable can charge.
        tells_soc: optional, of a power path, controller or meter; whether a device with these options may know the
            vehicle's state of charge (``drivers.api.vehicle``).
        line_key: optional, of a lines driver; two names with the same key are one line.
        line_problem: optional, of a lines driver; what is wrong with a line's name under these options, as far as a
            name tells without any hardware; ``None`` for nothing.
        look: optional, ``module:callable``; looks at the real device without changing any output. It takes the checked
            options as keyword arguments, for lines also ``lines``, the names that the station file uses, and returns
            a ``Look``.
    """

    name: str
    kind: DriverKind
    target: str
    options: tuple[Option, ...]
    summary: str
    check: Callable[[Mapping[str, Any]], list[OptionProblem]] | None = None
    safe: Callable[[Mapping[str, Any]], list[SafeAction]] | None = None
    safe_lines: Callable[[Mapping[str, Any], Sequence[SafeOutput]], list[SafeAction]] | None = None
    claims: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    sees_cable: Callable[[Mapping[str, Any]], bool] | None = None
    line_key: Callable[[str], str] | None = None
    line_problem: Callable[[Mapping[str, Any], str], str | None] | None = None
    look: str | None = None
    tells_soc: Callable[[Mapping[str, Any]], bool] | None = None
