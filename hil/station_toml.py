"""Writes the station file of a station whose every device is on the bench."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_EVSE = """
[[evse]]
id = {id}
phases = 3
max_current_a = {max_current_a:g}
pilot = {{ driver = "bench", socket = "pins.sock", evse = {id}{pilot} }}
contactor = {{ line = "evse{id}.contactor" }}
mirror = {{ line = "evse{id}.mirror", kind = "nc" }}
lock = {{ line = "evse{id}.lock", feedback = {{ line = "evse{id}.lock_feedback" }} }}
rcd = {{ line = "evse{id}.rcd" }}
emergency_stop = {{ line = "evse{id}.emergency_stop" }}
led = {{ line = "evse{id}.led" }}
meter = {{ driver = "modbus", profile = "{meter}", bus = "meters", unit = {id} }}
"""


_LOCK = 'lock = {{ line = "{name}.lock", feedback = {{ line = "{name}.lock_feedback" }} }}\n'
_CONNECTOR = """
[[evse.connectors]]
id = {connector}
pilot = {{ driver = "bench", socket = "pins.sock", evse = {id}, connector = {connector} }}
contactor = {{ line = "{name}.contactor" }}
mirror = {{ line = "{name}.mirror", kind = "nc" }}
rcd = {{ line = "{name}.rcd" }}
"""


# What a station with bought controllers says instead of pilot, contactor, mirror and lock.
_CONTROLLED: Final = """
[[evse]]
id = {id}
phases = 3
max_current_a = {max_current_a:g}
controller = {controller}
rcd = {{ line = "evse{id}.rcd" }}
emergency_stop = {{ line = "evse{id}.emergency_stop" }}
led = {{ line = "evse{id}.led" }}
meter = {{ driver = "modbus", profile = "{meter}", bus = "meters", unit = {id} }}
"""
_CONTROLLERS: Final = {
    "evse-din": '{{ driver = "evse-din", bus = "meters", unit = {din_unit} }}',
    "phoenix": '{{ driver = "phoenix", model = "em-cp-pp-eth", bus = "controllers", unit = {phoenix_unit} }}',
    "openevse": '{{ driver = "openevse", port = "controller-{id}" }}',
    "everest-mcu": '{{ driver = "everest-mcu", port = "controller-{id}" }}',
}
FAMILIES: Final = tuple(_CONTROLLERS)
PHOENIX_PORT_FILE: Final = "controller.port"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationOptions:
    """What the station file says beyond the wires.

    Attributes:
        url: the CSMS's address, ``{port}`` being the near end of the bench's network; empty: ``ws://`` and that.
        meter: the meters' profile; the bench serves the same with ``--meter``.
        reader: driver of the readers, the family of the bench's ``--reader``.
        controller: family of bought controllers in every EVSE ("evse-din" ...), as the bench's ``--controller``; empty:
            pilot and contactor are the station's own.
        connectors: of each EVSE. fixed_cables: which of them have a fixed cable, as the bench's ``--fixed-cable``.
        card_hold_off_s: the readers' ``hold_off_s``; ``None``: its default.
        card_absence_s: the readers' ``absence_s``; ``None``: its default.
        variables: presets of OCPP variables, in TOML's spelling of values.
        evse_extra: lines for every EVSE ("reject_13a = true" ...), with ``{id}`` for its number and ``{{`` for a brace.
        talks: the power path talks to the car and knows its state of charge where the car tells it.
        extra: lines by section name ("charging", "authorization" ...), put under that section.
    """

    identity: str = "BENCH-1"
    ocpp: str = "1.6"
    evses: int = 1
    readers: int = 1
    reader: str = "rdm6300"
    max_current_a: float = 16.0
    url: str = ""
    allow_insecure: bool = True
    meter: str = "eastron_sdm630"
    controller: str = ""
    min_reclose_s: float = 1.0
    connectors: int = 1
    fixed_cables: tuple[int, ...] = ()
    card_hold_off_s: float | None = None
    card_absence_s: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    evse_extra: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    talks: bool = False


def station_toml(directory: Path, net_port: int, options: StationOptions) -> str:
    """Return the text of a station file that lies in the bench's ``directory``; paths in it are relative to it."""
    url = (options.url or "ws://127.0.0.1:{port}/").replace("{port}", str(net_port))
    sections: dict[str, str] = {
        "station": f'id = "{options.identity}"\nvendor = "Bench"\nmodel = "Simulated"\n'
        'state_dir = "state"\nrun_dir = "run"\n',
        "csms": f'url = "{url}"\nversion = "{options.ocpp}"\nallow_insecure = {str(options.allow_insecure).lower()}\n',
        "clock": 'driver = "bench"\ndir = "."\n',
        "lines": 'driver = "bench"\nsocket = "pins.sock"\n',
        "guard": f"min_reclose_s = {options.min_reclose_s:g}\nrealtime = false\n",
        "maintenance": 'version_file = "firmware/version"\ninstaller = { driver = "bench", dir = "firmware" }\n',
        "bus.meters": 'port = "bus-0"\n',
    }
    if options.controller == "phoenix":
        port = int((directory / PHOENIX_PORT_FILE).read_text(encoding="utf-8"))
        sections["bus.controllers"] = f'host = "127.0.0.1"\ntcp_port = {port}\n'
    for name, lines in options.extra.items():
        sections[name] = sections.get(name, "") + lines.rstrip("\n") + "\n"
    text = f"# A station on the bench in {directory.name}. Written by the bench.\n"
    text += "".join(f"\n[{name}]\n{lines}" for name, lines in sections.items())
    if options.variables:
        text += "\n[variables]\n" + "".join(f'"{name}" = {value}\n' for name, value in options.variables.items())
    for evse in range(1, options.evses + 1):
        text += _evse(evse, options)
        text += "".join(f"{line}\n" for line in options.evse_extra.format(id=evse).splitlines())
        text += "".join(_connector(evse, each, options) for each in range(2, options.connectors + 1))
    for reader in range(options.readers):
        served = [evse for evse in range(1, options.evses + 1) if (evse - 1) % options.readers == reader]
        text += (
            f'\n[[reader]]\nname = "reader-{reader}"\ndriver = "{options.reader}"\nport = "reader-{reader}"\n'
            f"evses = {served}\n"
        )
        if options.card_hold_off_s is not None:
            text += f"hold_off_s = {options.card_hold_off_s:g}\n"
        if options.card_absence_s is not None:
            text += f"absence_s = {options.card_absence_s:g}\n"
    return text


def _evse(number: int, options: StationOptions) -> str:
    if not options.controller:
        text = _EVSE
        if 1 in options.fixed_cables:
            text = "".join(line for line in _EVSE.splitlines(keepends=True) if not line.startswith("lock"))
            text += "tethered = true\n"
        talks = ", soc = true" if options.talks else ""
        return text.format(id=number, max_current_a=options.max_current_a, meter=options.meter, pilot=talks)
    controller = _CONTROLLERS[options.controller].format(id=number, din_unit=100 + number, phoenix_unit=179 + number)
    return _CONTROLLED.format(
        id=number, max_current_a=options.max_current_a, meter=options.meter, controller=controller
    )


def _connector(evse: int, connector: int, options: StationOptions) -> str:
    """Return a further connector; it has an RCD of its own and its EVSE's emergency stop."""
    fixed = connector in options.fixed_cables
    text = _CONNECTOR + ("tethered = true\n" if fixed else _LOCK)
    return text.format(id=evse, connector=connector, name=f"evse{evse}c{connector}")
