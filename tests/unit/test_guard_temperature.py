"""From temperatures to what may be offered; the files that show them; the thread that reads them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.log import Log
from agent.guard.plan import Target, TemperaturePlan
from agent.guard.sensing import FRESH_S, Temperature
from agent.guard.temperature import Derating, SensorSettings
from drivers.api import DriverError, DriverProtocolError, DriverUnavailable
from drivers.temperature.sysfs import SPEC, SysfsTemperature, check

HOT = SensorSettings(name="contactor", reduce_c=60.0, stop_c=80.0, hysteresis_k=3.0)


def after(*values_c: float | None, max_a: float = 32.0) -> Derating:
    derating = Derating([HOT], max_a)
    for value_c in values_c:
        derating.step((value_c,))
    return derating


@pytest.mark.parametrize(
    ("value_c", "limit_a", "stopped"),
    [
        (-20.0, None, False),
        (60.0, None, False),
        (61.0, 30.0, False),
        (70.0, 19.0, False),
        (79.0, 7.0, False),
        (79.9, 6.0, False),
        (80.0, 6.0, True),
        (150.0, 6.0, True),
    ],
)
def test_the_offer_falls_in_a_line_to_six_amperes_and_then_stops(
    value_c: float, limit_a: float | None, stopped: bool
) -> None:
    derating = after(value_c)
    assert (derating.limit_a, derating.stopped, derating.known) == (limit_a, stopped, True)


def test_it_rises_again_only_when_it_is_cooler_by_the_hysteresis() -> None:
    assert after(70.0).limit_a == 19.0
    assert after(70.0, 68.0).limit_a == 19.0, "3 K less are not there yet"
    assert after(70.0, 66.0).limit_a == 20.0
    assert after(70.0, 57.0).limit_a is None
    assert after(70.0, 60.0).limit_a == 28.0


def test_a_stop_ends_below_the_threshold_by_the_hysteresis() -> None:
    assert after(80.0, 77.5).stopped
    assert not after(80.0, 77.0).stopped


def test_without_a_value_nothing_is_known_and_the_verdict_of_before_stays() -> None:
    assert not after().known
    lost = after(70.0, None)
    assert (lost.known, lost.limit_a, lost.why) == (False, 19.0, "contactor: no fresh temperature")
    assert after(85.0, None).stopped
    assert Derating([], 16.0).known


def test_the_worst_of_several_sensors_decides_and_is_named() -> None:
    other = SensorSettings(name="socket", reduce_c=50.0, stop_c=90.0, hysteresis_k=2.0)
    derating = Derating([HOT, other], 16.0)
    derating.step((61.0, 70.0))
    assert (derating.limit_a, derating.why) == (11.0, "socket at 70.0 degC")
    derating.step((85.0, 70.0))
    assert (derating.stopped, derating.why) == (True, "contactor at 85.0 degC")
    derating.step((20.0, 20.0))
    assert (derating.limit_a, derating.stopped, derating.why) == (None, False, "")


@given(st.lists(st.floats(-40.0, 120.0), min_size=1, max_size=40), st.floats(6.0, 80.0))
def test_whatever_the_course_it_never_offers_more_than_the_line_allows_now(values_c: list[float], max_a: float) -> None:
    derating = Derating([HOT], max_a)
    for value_c in values_c:
        derating.step((value_c,))
        share = min(1.0, max(0.0, (HOT.stop_c - value_c) / (HOT.stop_c - HOT.reduce_c)))
        limit_a = max_a if derating.limit_a is None else derating.limit_a
        assert 6.0 <= limit_a <= 6.0 + share * (max_a - 6.0) + 1e-9
        assert value_c < HOT.stop_c or derating.stopped


# ---- the files -------------------------------------------------------------------------------------------------------


def test_a_file_in_thousandths_is_read_and_a_star_stands_for_one_folder(tmp_path: Path) -> None:
    place = tmp_path / "hwmon7"
    place.mkdir()
    (place / "temp1_input").write_text("23625\n")
    assert SysfsTemperature(path=str(place / "temp1_input")).read() == 23.625
    assert SysfsTemperature(path=str(tmp_path / "hwmon*" / "temp1_input")).read() == 23.625
    (tmp_path / "hwmon8").mkdir()
    (tmp_path / "hwmon8" / "temp1_input").write_text("1")
    with pytest.raises(DriverUnavailable, match="fits 2 files, expected one"):
        SysfsTemperature(path=str(tmp_path / "hwmon*" / "temp1_input")).read()


def test_an_adc_of_the_kernel_has_offset_and_scale(tmp_path: Path) -> None:
    for name, text in (("in_temp_raw", "1500"), ("in_temp_scale", "25.5"), ("in_temp_offset", "-500")):
        (tmp_path / name).write_text(text)
    sensor = SysfsTemperature(path=str(tmp_path / "in_temp_raw"), shape="iio")
    assert sensor.read() == 25.5
    (tmp_path / "in_temp_offset").unlink()
    assert sensor.read() == 38.25
    (tmp_path / "in_temp_scale").unlink()
    with pytest.raises(DriverUnavailable, match="in_temp_scale"):
        sensor.read()


def test_a_one_wire_sensor_proves_its_check_sum(tmp_path: Path) -> None:
    file = tmp_path / "w1_slave"
    file.write_text("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n")
    sensor = SysfsTemperature(path=str(file), shape="w1_slave")
    assert sensor.read() == 23.125
    file.write_text("ff ff : crc=c9 NO\nff ff t=-62\n")
    with pytest.raises(DriverProtocolError, match="check sum"):
        sensor.read()
    file.write_text("50 05 : crc=1c YES\n50 05 t=85000\n")
    with pytest.raises(DriverProtocolError, match="after losing power"):
        sensor.read()
    file.write_text("50 05 : crc=1c YES\n")
    with pytest.raises(DriverProtocolError, match="holds no t="):
        sensor.read()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "is no number"), ("hot", "is no number"), ("nan", "finite"), ("900000", "outside"), ("-100000", "outside")],
)
def test_what_is_no_temperature_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "temp").write_text(text)
    with pytest.raises(DriverProtocolError, match=problem):
        SysfsTemperature(path=str(tmp_path / "temp")).read()


def test_a_sensor_that_is_gone_is_unavailable_and_its_options_are_checked(tmp_path: Path) -> None:
    sensor = SysfsTemperature(path=str(tmp_path / "none"))
    with pytest.raises(DriverUnavailable, match="No such file"):
        sensor.read()
    sensor.close()
    assert not check({"path": "x", "shape": "milli"})
    assert "does not end in _raw" in check({"path": "x", "shape": "iio"})[0].problem
    assert SPEC.check is check


# ---- the thread ------------------------------------------------------------------------------------------------------


class Fake:
    """A sensor that says what the test put into it; each read is announced."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        value, opens = FAKES[name]
        if isinstance(value, DriverError) and not opens:
            raise value

    def read(self) -> float:
        value = FAKES[self.name][0]
        READ[self.name].release()
        if isinstance(value, DriverError):
            raise value
        return value


FAKES: dict[str, tuple[float | DriverError, bool]] = {}
READ: dict[str, threading.Semaphore] = {}


def test_a_temperature_is_read_beside_the_scan_and_ages() -> None:
    read_fd, write_fd = os.pipe()
    FAKES["a"], READ["a"] = (41.26, True), threading.Semaphore(0)
    plan = TemperaturePlan(sensor=Target(target=f"{__name__}:Fake", options={"name": "a"}), settings=HOT)
    sensor = Temperature(plan, evse_id=1, log=Log(fd=write_fd), every_s=0.001)
    try:
        for _ in range(3):
            assert READ["a"].acquire(timeout=5)
        taken_s = sensor._taken[1] if sensor._taken else 0.0
        assert sensor.value_c(taken_s) == 41.3
        assert sensor.value_c(taken_s + FRESH_S + 1.0) is None
        FAKES["a"] = (DriverUnavailable("the wire is cut"), True)
        for _ in range(50):
            assert READ["a"].acquire(timeout=5)
        lost_s = sensor._taken[1] if sensor._taken else 0.0
        assert sensor.value_c(lost_s + FRESH_S + 0.1) is None
        FAKES["a"] = (20.0, True)
        for _ in range(50):
            assert READ["a"].acquire(timeout=5)
        assert sensor.value_c(lost_s) == 20.0
    finally:
        sensor.close()
        os.close(write_fd)
        said = os.read(read_fd, 65536).decode()
        os.close(read_fd)
    assert said.count("temperature.lost") == 1, "told once"
    assert said.count("temperature.recovered") == 1


def test_a_sensor_that_cannot_be_opened_has_no_value() -> None:
    fd = os.open(os.devnull, os.O_WRONLY)
    FAKES["b"], READ["b"] = (DriverUnavailable("not there"), False), threading.Semaphore(0)
    plan = TemperaturePlan(sensor=Target(target=f"{__name__}:Fake", options={"name": "b"}), settings=HOT)
    sensor = Temperature(plan, evse_id=1, log=Log(fd=fd), every_s=0.001)
    assert sensor.value_c(0.0) is None
    sensor.close()
    os.close(fd)
