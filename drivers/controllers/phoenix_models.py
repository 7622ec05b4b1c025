"""Register maps of Phoenix Contact charge controllers, as data: what differs between the models is all here.

Sources: EV-CC-AC1 serial: user manual "EV Charge Control Basic" 106377_en_04, table 9-2 (pages 54-62). EM-CP-PP-ETH,
EV-CC Ethernet, CHARX: evcc ``charger/phoenix-{em-eth,ev-eth,charx}.go``; error word of EM-CP-PP-ETH (input 107): JNX
EVChargeHomeKit tests. None was checked against a device of ours; docs/drivers/phoenix.md says what is unverified.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from drivers.api.controllers import ControllerFault
from drivers.controllers.modbus_frames import READ_HOLDING, READ_INPUT

FAULTS_BASIC: Final = (
    (2, ControllerFault.PROXIMITY),  # 13 A cable rejected
    (3, ControllerFault.PROXIMITY),  # invalid PP value
    (4, ControllerFault.PILOT),  # invalid CP value
    (6, ControllerFault.LOCK),
    (7, ControllerFault.LOCK),  # unlocking
    (8, ControllerFault.LOCK),  # no locking detection while locked
    (11, ControllerFault.VENTILATION),  # state D, vehicle rejected
    (12, ControllerFault.CONTACTOR_WELDED),
    (13, ControllerFault.DIODE),
    (15, ControllerFault.RCD),
)
FAULTS_EM: Final = (
    (0, ControllerFault.PROXIMITY),  # 13 A or 20 A cable rejected
    (1, ControllerFault.PROXIMITY),  # 13 A cable rejected
    (2, ControllerFault.PROXIMITY),  # invalid PP value
    (3, ControllerFault.PILOT),  # invalid CP value
    (5, ControllerFault.LOCK),
    (6, ControllerFault.LOCK),  # unlocking
    (7, ControllerFault.LOCK),  # no locking detection while locked
    (8, ControllerFault.OVER_CURRENT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Must:
    """A setting without which the controller does not obey: holding register, value, and what that means."""

    address: int
    value: int
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One family.

    Attributes:
        unit: Modbus address that it has ex works.
        function: table of the status registers: 3 holding, 4 input.
        status: register with the state in ASCII; ``status_high``: in its high byte ("A1"), else in the low byte.
        enable: coil that enables charging, or a holding register (0/1) where ``enable_is_register``.
        current: holding register with the maximum current, A. Written before charging is enabled.
        duty, duty_current: what the pilot signals, % and A; ``None``: not reported, the read-back order stands for it.
        cable: register with the cable's rating, A. errors: register with the error bits; ``faults`` names them by bit.
        soc: register with the vehicle's state of charge, %, where the controller talks to it.
        stride: added to every address, times the controller's number (several controllers behind one address).
        must: settings without which it does not obey.
    """

    name: str
    unit: int
    function: int
    status: int
    status_high: bool
    enable: int
    current: int
    enable_is_register: bool = False
    duty: int | None = None
    duty_current: int | None = None
    cable: int | None = None
    errors: int | None = None
    faults: tuple[tuple[int, ControllerFault], ...] = ()
    most_a: int = 63
    soc: int | None = None
    stride: int = 0
    must: tuple[Must, ...] = ()


MODELS: Final = MappingProxyType(
    {
        model.name: model
        for model in (
            Model(
                name="em-cp-pp-eth",
                unit=180,
                function=READ_INPUT,
                status=100,
                status_high=False,
                enable=400,
                current=300,
                cable=101,
                errors=107,
                faults=FAULTS_EM,
            ),
            Model(
                name="ev-cc-eth",
                unit=255,
                function=READ_INPUT,
                status=100,
                status_high=False,
                enable=400,
                current=528,
            ),
            Model(
                name="ev-cc-ser",
                unit=1,
                function=READ_HOLDING,
                status=24000,
                status_high=True,
                enable=20000,
                current=22000,
                duty=24002,
                duty_current=24003,
                cable=24001,
                errors=24025,
                faults=FAULTS_BASIC,
                must=(Must(address=4000, value=3, means="charging is enabled through coil 20000"),),
            ),
            Model(
                name="charx",
                unit=1,
                function=READ_HOLDING,
                status=299,
                status_high=True,
                enable=300,
                enable_is_register=True,
                current=301,
                soc=264,
                stride=1000,
                most_a=80,
                must=(Must(address=120, value=5, means="release mode Modbus"),),
            ),
        )
    }
)
