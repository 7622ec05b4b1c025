"""The tables of the station as a whole: who it is, its clock, who may charge and how, its log."""

from __future__ import annotations

from typing import Final

from agent.settings.indicators import BUTTON_USE
from agent.settings.line_tables import driver
from agent.settings.places import DEFAULT_STATE_DIR
from agent.settings.schema import Field, Kind, Table
from drivers.api import DriverKind

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

CLOCK: Final = Table(
    name="clock",
    help="Who vouches for the time of day.",
    driver=DriverKind.CLOCK,
    fields=(
        driver("system"),
        Field(
            name="set_system_clock",
            kind=Kind.FLAG,
            default=False,
            help="set the machine's clock by the CSMS's time while nobody else vouches for it (needs CAP_SYS_TIME)",
        ),
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
