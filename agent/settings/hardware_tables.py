"""The tables of the hardware: lines, the guard and what it watches, EVSEs, buses, card readers."""

from __future__ import annotations

from typing import Final

from agent.settings.connectors import connectors_table, wiring
from agent.settings.indicators import people_tables
from agent.settings.line_tables import PULL, driver, line, mirror
from agent.settings.protection_tables import (
    debounce,
    heartbeat,
    station_inputs,
)
from agent.settings.schema import Field, Kind, Table
from drivers.api import DriverKind

# OCPP 2.0.1 Part 2, ConnectorEnumType: the types of AC stations.
CONNECTOR_TYPES: Final = ("cType1", "cType2", "sType2", "sType3", "s309-1P-16A", "s309-1P-32A", "s309-3P-16A", "s309-3P-32A", "sBS1361", "sCEE-7-7", "sType1", "Other1PhMax16A", "Other1PhOver16A", "Other3Ph", "Unknown")  # fmt: skip  # noqa: E501

CONNECTOR_TYPE: Final = Field(
    name="connector",
    kind=Kind.TEXT,
    default="sType2",
    choices=CONNECTOR_TYPES,
    help="connector type (OCPP 2.0.1 ConnectorEnumType): c is a cable, s a socket",
)

LINES: Final = Table(
    name="lines", help="The on/off lines of the board.", driver=DriverKind.LINES, fields=(driver("gpio"),)
)

GUARD: Final = Table(
    name="guard",
    help="The process that holds everything that can hurt.",
    fields=(
        Field(
            name="scan_ms",
            kind=Kind.WHOLE,
            unit="ms",
            default=10,
            minimum=2,
            maximum=30,  # three scans must fit into the 100 ms of IEC 61851-1 Table A.6, sequence 8.1
            help="period of the fixed scan",
        ),
        Field(
            name="permit_s",
            kind=Kind.NUMBER,
            unit="s",
            default=30.0,
            minimum=3,
            maximum=30,
            help="how long charging goes on without a word from the agent",
        ),
        Field(
            name="min_reclose_s",
            kind=Kind.NUMBER,
            unit="s",
            default=10.0,
            minimum=0,
            maximum=600,
            help="least time between two closings of the contactor; the offer stays off meanwhile",
        ),
        Field(
            name="stop_grace_s",
            kind=Kind.NUMBER,
            unit="s",
            default=6.0,
            minimum=3,
            maximum=6,
            help="time for the vehicle to stop drawing before the contactor opens under load",
        ),
        Field(
            name="realtime",
            kind=Kind.FLAG,
            default=True,
            help="ask for real-time priority and locked memory where allowed",
        ),
        Field(
            name="allowed_uids",
            kind=Kind.WHOLES,
            default=(),
            minimum=0,
            maximum=4294967294,
            help="further users whose agent may hold permits, besides root and the guard's own",
            example=[990],
        ),
    ),
    tables=(heartbeat(line),),
)

INPUTS: Final = station_inputs(line, PULL)

EVSE: Final = Table(
    name="evse",
    help="One EVSE: charges one vehicle at a time. Repeat the table for each.",
    required=True,
    repeated=True,
    fields=(
        Field(
            name="id",
            kind=Kind.WHOLE,
            required=True,
            minimum=1,
            maximum=64,
            help="number towards the CSMS, 1 and up",
            example=1,
        ),
        Field(name="phases", kind=Kind.WHOLE, default=3, choices=(1, 3), help="phases that it is wired with"),
        Field(
            name="max_current_a",
            kind=Kind.NUMBER,
            unit="A",
            default=16.0,
            minimum=6,
            maximum=80,  # IEC 61851-1 Table A.7: what the pilot can offer
            help="most that its wiring carries, for each phase",
        ),
        Field(
            name="voltage_v", kind=Kind.NUMBER, unit="V", default=230.0, minimum=100, maximum=290, help="phase voltage"
        ),
        CONNECTOR_TYPE,
        Field(name="tethered", kind=Kind.FLAG, default=False, help="has a fixed cable: no lock and no cable coding"),
        Field(
            name="ventilation",
            kind=Kind.FLAG,
            default=False,
            help="vehicles that want ventilation (state D) may charge",
        ),
        Field(
            name="simplified",
            kind=Kind.FLAG,
            default=True,
            help="vehicles that cannot tell when they are ready (state C at once) may charge, with at most 10 A",
        ),
        Field(name="reject_13a", kind=Kind.FLAG, default=False, help="cables coded for 13 A may not be used"),
        Field(
            name="wake_up",
            kind=Kind.FLAG,
            default=True,
            help="wake a vehicle that ignores an offer for 30 s, with one 4 s interruption of the pilot",
        ),
        Field(
            name="phase_switching",
            kind=Kind.FLAG,
            default=False,
            help="may change between 1 and 3 phases; some vehicles' chargers do not survive it: read docs/guard.md",
        ),
        Field(
            name="phase_wait_s",
            kind=Kind.NUMBER,
            unit="s",
            default=15.0,
            minimum=10,
            maximum=300,
            help="from the opened contactor to the next offer when phases change; some vehicles need 60",
        ),
        Field(
            name="phase_interval_s",
            kind=Kind.NUMBER,
            unit="s",
            default=300.0,
            minimum=60,
            maximum=86400,
            help="least time between two changes of phases of one vehicle",
        ),
    ),
    tables=(
        Table(
            name="pilot",
            help="control pilot and proximity",
            usual=True,
            inline=True,
            driver=DriverKind.POWER_PATH,
            fields=(driver(example="bench"),),
        ),
        line("contactor", "coil of the main contactor", usual=True),
        Table(
            name="controller",
            help="bought charge controller, which runs pilot and contactor itself",
            inline=True,
            instead_of="pilot and contactor",
            driver=DriverKind.CONTROLLER,
            fields=(driver(example="evse-din"),),
        ),
        mirror("mirror", "feedback of the contactor; without it nobody can see welded contacts"),
        *wiring(),
        *people_tables(line, PULL, debounce(30)),
        Table(
            name="meter",
            help="energy meter",
            inline=True,
            driver=DriverKind.METER,
            fields=(driver(example="modbus"),),
        ),
        connectors_table(CONNECTOR_TYPE),
    ),
)

MAIN_METER: Final = Table(
    name="main_meter",
    help="The energy meter of the whole station, if it has one: connector 0 towards the CSMS. It is only told of.",
    optional=True,
    driver=DriverKind.METER,
    fields=(
        driver(example="modbus"),
        Field(
            name="max_current_a",
            kind=Kind.NUMBER,
            unit="A",
            default=1000.0,
            minimum=6,
            maximum=6000,
            help="most that can flow there in each phase; a register that rises faster is not believed",
        ),
    ),
)

BUS: Final = Table(
    name="bus",
    help="A Modbus line: a serial port, or a host over TCP.",
    named=True,
    fields=(
        Field(
            name="port",
            kind=Kind.PATH,
            help="device file of a serial bus",
            example="/dev/serial/by-id/usb-FTDI_RS485-if00",
        ),
        Field(
            name="baud",
            kind=Kind.WHOLE,
            unit="bit/s",
            default=9600,
            minimum=1200,
            maximum=115200,
            help="speed of a serial bus",
        ),
        Field(
            name="parity",
            kind=Kind.TEXT,
            default="N",
            choices=("N", "E", "O"),
            help="parity of a serial bus: none, even, odd",
        ),
        Field(name="stopbits", kind=Kind.WHOLE, default=1, choices=(1, 2), help="stop bits of a serial bus"),
        Field(
            name="gap_ms",
            kind=Kind.WHOLE,
            unit="ms",
            default=100,
            minimum=0,
            maximum=1000,
            help="silence before each request on a serial bus",
        ),
        Field(
            name="host",
            kind=Kind.TEXT,
            maximum=253,
            help="name or address of a Modbus TCP host",
            example="192.168.1.20",
        ),
        Field(name="tcp_port", kind=Kind.WHOLE, default=502, minimum=1, maximum=65535, help="port of the host"),
    ),
)

READER: Final = Table(
    name="reader",
    help="A card reader. Repeat the table for each.",
    repeated=True,
    driver=DriverKind.READER,
    fields=(
        Field(
            name="name", kind=Kind.TEXT, required=True, maximum=50, help="name in logs and commands", example="front"
        ),
        Field(
            name="evses",
            kind=Kind.WHOLES,
            default=(),
            minimum=1,
            maximum=64,
            help="ids of the EVSEs that it serves, the preferred one first; empty: all, in the order of this file",
            example=[1],
        ),
        driver(example="rdm6300"),
    ),
)
