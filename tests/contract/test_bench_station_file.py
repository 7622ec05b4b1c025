"""The station file that the bench writes is one that the agent accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.build import parse_station
from agent.settings.station import SerialBusSettings
from hil.station_toml import StationOptions, station_toml


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
@pytest.mark.parametrize(("evses", "readers"), [(1, 1), (2, 1), (2, 2), (3, 2)])
def test_the_benchs_station_file_is_good(tmp_path: Path, ocpp: str, evses: int, readers: int) -> None:
    options = StationOptions(
        ocpp=ocpp,
        evses=evses,
        readers=readers,
        variables={"HeartbeatInterval": "60"},
        extra={"charging": 'on_meter_loss = "suspend"', "authorization": "required = false"},
    )
    station = parse_station(station_toml(tmp_path, 12345, options).encode(), tmp_path / "station.toml")
    assert (station.csms.version.value, len(station.evses), len(station.readers)) == (ocpp, evses, readers)
    assert sorted(evse for reader in station.readers for evse in reader.evses) == list(range(1, evses + 1))
    bus = station.bus("meters")
    assert isinstance(bus, SerialBusSettings)
    assert bus.port.parent == tmp_path
