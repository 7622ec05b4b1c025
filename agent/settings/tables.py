"""Every option of a station file, described once: the parser, the example and the JSON schema are made from this."""

from __future__ import annotations

from typing import Final

from agent.settings.indicators import BUTTON_USE, INDICATORS, SOUNDS, people_tables
from agent.settings.maintenance import MAINTENANCE
from agent.settings.places import DEFAULT_STATE_DIR
from agent.settings.protection_tables import (
    LOCK_FIELDS,
    debounce,
    further_inputs,
    heartbeat,
    latched,
    rcd_test,
    station_inputs,
    temperature,
    unlock,
)
from agent.settings.schema import Field, Kind, Table
from drivers.api import DriverKind

# OCPP 2.0.1 Part 2, ConnectorEnumType: the types of AC stations.
CONNECTOR_TYPES: Final = ("cType1", "cType2", "sType2", "sType3", "s309-1P-16A", "s309-1P-32A", "s309-3P-16A", "s309-3P-32A", "sBS1361", "sCEE-7-7", "sType1", "Other1PhMax16A", "Other1PhOver16A", "Other3Ph", "Unknown")  # fmt: skip  # noqa: E501

_ACTIVE_HIGH: Final = Field(
    name="active_high", kind=Kind.FLAG, default=True, help="the line is active when it is high; false: when it is low"
)


# The guard reads these; a line that it drives has no bias.
_PULL: Final = Field(
    name="pull", kind=Kind.TEXT, default="none", choices=("none", "up", "down"), help="bias resistor of the input"
)


def _line(name: str, help: str, *more: Field, usual: bool = False, tables: tuple[Table, ...] = ()) -> Table:
    line = Field(
        name="line", kind=Kind.TEXT, required=True, maximum=100, help="name of the line on this board", example="GPIO17"
    )
    fields = (line, _ACTIVE_HIGH, *more)
    return Table(name=name, help=help, fields=fields, tables=tables, usual=usual, inline=True)


def _driver(default: str | None = None, example: str | None = None) -> Field:
    return Field(
        name="driver",
        kind=Kind.TEXT,
        required=default is None,
        default=default,
        help="name of the driver",
        example=example,
    )


def _mirror(name: str, help: str) -> Table:
    kind = Field(
        name="kind",
        kind=Kind.TEXT,
        default="nc",
        choices=("nc", "no", "sense"),
        help="nc: the line is active while the contactor is open (a mirror contact of IEC 60947-4-1 is nc); no: while "
        "it is closed; sense: while there is voltage behind it",
    )
    return _line(name, help, kind, debounce(), _PULL)


DEFAULT_RUN_DIR: Final = "/run/charge-agent"

STATION: Final = Table(
    name="station",
    help="Who the station is, and where it keeps its things.",
    required=True,
    fields=(
        Field(
            name="id",
            kind=Kind.TEXT,
            required=True,
            maximum=48,  # OCPP 2.0.1 Part 4 §3.1.1: identity of at most 48 characters, no colon
            help="identity towards the CSMS, the last part of the connection's address",
            example="CP-0001",
        ),
        # Lengths: OCPP 1.6 BootNotification.req, the shorter of the two versions.
        Field(name="vendor", kind=Kind.TEXT, required=True, maximum=20, help="manufacturer", example="Example"),
        Field(name="model", kind=Kind.TEXT, required=True, maximum=20, help="model", example="Wallbox 11"),
        Field(name="serial_number", kind=Kind.TEXT, maximum=25, help="serial number of the station", example="0001"),
        Field(
            name="identity_file",
            kind=Kind.PATH,
            help="file of this one device (TOML: id, serial_number, vendor, model, password), so that one image serves"
            " many stations; what it says need not stand here",
            example="identity.toml",
        ),
        Field(name="state_dir", kind=Kind.PATH, default=DEFAULT_STATE_DIR, help="folder that survives restarts"),
        Field(name="run_dir", kind=Kind.PATH, default=DEFAULT_RUN_DIR, help="folder of the sockets"),
    ),
)

CSMS: Final = Table(
    name="csms",
    help="The back end.",
    required=True,
    fields=(
        Field(
            name="url",
            kind=Kind.TEXT,
            required=True,
            maximum=512,
            help="address without the station's identity, wss://host/path",
            example="wss://csms.example.com/ocpp",
        ),
        Field(
            name="fallback_urls",
            kind=Kind.TEXTS,
            default=(),
            maximum=512,
            help="further addresses, tried in this order where the one before does not answer",
            example=["wss://csms2.example.com/ocpp"],
        ),
        Field(
            name="security_profile",
            kind=Kind.WHOLE,
            choices=(0, 1, 2, 3),
            help="0: none, 1: password over ws://, 2: password over TLS, 3: client certificate over TLS; without it"
            " what the address and the credentials amount to",
            example=2,
        ),
        Field(name="version", kind=Kind.TEXT, default="1.6", choices=("1.6", "2.0.1"), help="OCPP version"),
        Field(
            name="allow_insecure", kind=Kind.FLAG, default=False, help="allow ws://, which anybody can read and forge"
        ),
        Field(
            name="root_certificates",
            kind=Kind.PATHS,
            default=(),
            existing=True,
            help="PEM files of the roots to trust instead of the system's",
            example=["csms-root.pem"],
        ),
        Field(
            name="password_file",
            kind=Kind.PATH,
            existing=True,
            help="file with the password for HTTP Basic authentication; never in this file",
            example="csms-password",
        ),
        Field(
            name="password_encoding",
            kind=Kind.TEXT,
            default="literal",
            choices=("literal", "hex"),
            help="how the password is to be read, also an AuthorizationKey of the CSMS; hex: pairs of digits are bytes",
        ),
        Field(
            name="client_certificate",
            kind=Kind.PATH,
            existing=True,
            help="PEM file with the station's certificate where it was made elsewhere, the station's own first",
            example="client.pem",
        ),
        Field(
            name="client_key",
            kind=Kind.PATH,
            existing=True,
            help="PEM file with its private key",
            example="client.key",
        ),
        Field(
            name="key_type",
            kind=Kind.TEXT,
            default="ec",
            choices=("ec", "rsa"),
            help="private keys that the station makes: ec is P-256, rsa has 2048 bits",
        ),
        Field(
            name="allow_wildcards",
            kind=Kind.FLAG,
            default=True,
            help="believe a server certificate for *.example.com",
        ),
        Field(
            name="additional_root_check",
            kind=Kind.FLAG,
            default=False,
            help="a root that the CSMS installs must be signed by one that is there (AdditionalRootCertificateCheck)",
        ),
        Field(
            name="security_events",
            kind=Kind.FLAG,
            default=True,
            help="tell the CSMS of security events; they are logged on the station in any case",
        ),
        Field(
            name="trailing_slash",
            kind=Kind.FLAG,
            default=False,
            help="write a / after the identity, too; a few servers want it",
        ),
    ),
)

CLOCK: Final = Table(
    name="clock",
    help="Who vouches for the time of day.",
    driver=DriverKind.CLOCK,
    fields=(
        _driver("system"),
        Field(
            name="set_system_clock",
            kind=Kind.FLAG,
            default=False,
            help="set the machine's clock by the CSMS's time while nobody else vouches for it (needs CAP_SYS_TIME)",
        ),
    ),
)

LINES: Final = Table(
    name="lines", help="The on/off lines of the board.", driver=DriverKind.LINES, fields=(_driver("gpio"),)
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
    tables=(heartbeat(_line),),
)

INPUTS: Final = station_inputs(_line, _PULL)

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
        Field(
            name="connector",
            kind=Kind.TEXT,
            default="sType2",
            choices=CONNECTOR_TYPES,
            help="connector type (OCPP 2.0.1 ConnectorEnumType): c is a cable, s a socket",
        ),
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
            fields=(_driver(example="bench"),),
        ),
        _line("contactor", "coil of the main contactor", usual=True),
        Table(
            name="controller",
            help="bought charge controller, which runs pilot and contactor itself",
            inline=True,
            instead_of="pilot and contactor",
            driver=DriverKind.CONTROLLER,
            fields=(_driver(example="evse-din"),),
        ),
        _mirror("mirror", "feedback of the contactor; without it nobody can see welded contacts"),
        _line("phase_contactor", "coil of a second contactor for L2 and L3, behind the main one, which switches L1"),
        _mirror("phase_mirror", "feedback of the second contactor"),
        _line(
            "lock",
            "actuator of the socket's lock",
            *LOCK_FIELDS,
            tables=(_line("feedback", "active while the cable is locked", _PULL), unlock(_line)),
        ),
        _line("rcd", "active when the residual current device has tripped", debounce(), latched(True), _PULL),
        _line("emergency_stop", "active when the emergency stop is pressed", debounce(), latched(False), _PULL),
        *further_inputs(_line, _PULL),
        rcd_test(_line),
        temperature(_driver("sysfs")),
        *people_tables(_line, _PULL, debounce(30)),
        Table(
            name="meter",
            help="energy meter",
            inline=True,
            driver=DriverKind.METER,
            fields=(_driver(example="modbus"),),
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
        _driver(example="rdm6300"),
    ),
)

AUTHORIZATION: Final = Table(
    name="authorization",
    help="Who may charge.",
    fields=(
        Field(name="required", kind=Kind.FLAG, default=True, help="false: free vend, whoever plugs in may charge"),
        Field(
            name="offline_unknown",
            kind=Kind.FLAG,
            default=False,
            help="without the CSMS, cards that nobody knows may charge",
        ),
    ),
)

CHARGING: Final = Table(
    name="charging",
    help="How it charges.",
    fields=(
        BUTTON_USE,
        Field(
            name="on_meter_loss",
            kind=Kind.TEXT,
            default="continue",
            choices=("continue", "suspend"),
            help="what a running charge does when its meter falls silent",
        ),
        Field(
            name="on_power_loss",
            kind=Kind.TEXT,
            default="end",
            choices=("end", "resume"),
            help="what becomes of a transaction that a power cut interrupted",
        ),
        Field(
            name="on_over_current",
            kind=Kind.TEXT,
            default="suspend",
            choices=("suspend", "end", "ignore"),
            help="what becomes of a transaction whose vehicle draws more than (offer + 0.5 A) x 1.1 for 7 s",
        ),
        Field(
            name="meter_stale_s",
            kind=Kind.NUMBER,
            unit="s",
            default=10.0,
            minimum=2,
            maximum=3600,
            help="age from which a reading counts as none",
        ),
        Field(
            name="meter_poll_s",
            kind=Kind.NUMBER,
            unit="s",
            default=1.0,
            minimum=0.2,
            maximum=60,
            help="time between readings",
        ),
        Field(
            name="max_current_a",
            kind=Kind.NUMBER,
            unit="A",
            minimum=6,
            maximum=1000,
            help="limit of the station's supply for each phase, all EVSEs together; none: their own limits alone",
            example=32.0,
        ),
    ),
)

LOG: Final = Table(
    name="log",
    help="What it writes to its log.",
    fields=(
        Field(
            name="level",
            kind=Kind.TEXT,
            default="info",
            choices=("debug", "info", "warning", "error"),
            help="least important entry that is written",
        ),
        Field(
            name="format",
            kind=Kind.TEXT,
            default="auto",
            choices=("auto", "text", "json"),
            help="auto: text on a terminal, JSON under systemd",
        ),
    ),
)

VARIABLES: Final = "variables"  # a table of names that only the dialects know

TABLES: Final = (
    STATION, CSMS, CLOCK, LINES, GUARD, INPUTS, EVSE, BUS, READER, AUTHORIZATION, CHARGING, INDICATORS, SOUNDS,
    MAINTENANCE, LOG,
)  # fmt: skip
