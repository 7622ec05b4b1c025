"""Every option of a station file, described once: the parser, the example and the JSON schema are made from this."""

from __future__ import annotations

from typing import Final

from agent.settings.csms_table import CSMS
from agent.settings.hardware_tables import BUS, EVSE, GUARD, INPUTS, LINES, MAIN_METER, READER
from agent.settings.indicators import INDICATORS, SOUNDS
from agent.settings.maintenance import MAINTENANCE
from agent.settings.station_tables import AUTHORIZATION, CHARGING, CLOCK, LOG, STATION

VARIABLES: Final = "variables"  # a table of names that only the dialects know

TABLES: Final = (
    STATION, CSMS, CLOCK, LINES, GUARD, INPUTS, EVSE, MAIN_METER, BUS, READER, AUTHORIZATION, CHARGING, INDICATORS,
    SOUNDS, MAINTENANCE, LOG,
)  # fmt: skip
