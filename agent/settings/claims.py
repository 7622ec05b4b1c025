"""What two devices of a station cannot share: a channel, a place on a bus, a line. Asked of the drivers' own specs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agent.settings.connectors import parts_of
from agent.settings.key_lines import KeyPath
from agent.settings.reading import Clean, Reading, key_text
from agent.settings.station import DriverSettings
from drivers.registry import find

LineKey = Callable[[str], str]


def check_claims(clean: Clean, reading: Reading) -> None:
    """Note every device that claims what another one has: one pilot channel, one address on a bus."""
    seen: dict[str, list[KeyPath]] = {}
    for path, driver in _devices(clean):
        if reading.refused(path):
            continue  # its options are not complete
        for claim in _claims(driver):
            others = seen.setdefault(claim, [])
            other = next((each for each in others if not _one_device(each, path)), None)
            if other is not None and not reading.refused(path):
                reading.refuse((*path, _option(claim)), f"{claim} is used by {key_text(other)} already")
            others.append(path)


def check_cables(clean: Clean, reading: Reading) -> None:
    """Note every socket whose pilot's driver cannot see a cable's coding: nothing could ever charge there."""
    for evse, place in parts_of(clean):
        path = (*place, "pilot")
        driver = evse.get("pilot", {}).get("driver")
        if evse.get("tethered") is not False or not isinstance(driver, DriverSettings) or reading.refused(path):
            continue
        sees_cable = find(driver.kind, driver.driver).sees_cable
        if sees_cable is not None and not sees_cable(driver.options):
            reading.refuse(path, "has no proximity contact, which a socket needs", "a fixed cable is tethered = true")


def check_line_names(lines: Iterable[tuple[KeyPath, str]], clean: Clean, reading: Reading) -> None:
    """Note every name that the lines driver cannot mean, whatever hardware there is."""
    driver = clean.get("lines", {}).get("driver")
    problem_of = find(driver.kind, driver.driver).line_problem if isinstance(driver, DriverSettings) else None
    if problem_of is None or not isinstance(driver, DriverSettings):
        return
    for path, line in lines:
        problem = None if reading.refused(path) else problem_of(driver.options, line)
        if problem:
            text, _, hint = problem.partition("; did you mean")
            reading.refuse(path, text, f"did you mean{hint}" if hint else "")


def line_key_of(clean: Clean) -> LineKey:
    """Return what tells that two names are one line, of the lines driver in ``clean``."""
    driver = clean.get("lines", {}).get("driver")
    key = find(driver.kind, driver.driver).line_key if isinstance(driver, DriverSettings) else None
    return key or str


def _devices(clean: Clean) -> Iterator[tuple[KeyPath, DriverSettings]]:
    for evse, place in parts_of(clean):
        for name, table in evse.items():
            driver = table.get("driver") if isinstance(table, dict) else None
            if isinstance(driver, DriverSettings):
                yield (*place, name), driver
    driver = clean.get("main_meter", {}).get("driver")
    if isinstance(driver, DriverSettings):
        yield ("main_meter",), driver
    for index, reader in enumerate(clean.get("reader", [])):
        if isinstance(reader.get("driver"), DriverSettings):
            yield ("reader", index), reader["driver"]


def _claims(driver: DriverSettings) -> tuple[str, ...]:
    spec = find(driver.kind, driver.driver)
    if spec.claims is not None:
        return spec.claims(driver.options)
    if driver.options.get("port") is not None:
        return (f"port {driver.options['port']}",)
    bus, unit, connector = (driver.options.get(name) for name in ("bus", "unit", "connector"))
    if bus is None or unit is None:
        return ()
    which = "" if connector in (None, 1) else f", connector {connector}"  # several controllers behind one address
    return (f"address {unit}{which} on bus {bus!r}",)


def _option(claim: str) -> str:
    """Return the option that a claim stands for: what a problem points at."""
    return {"address": "unit", "PWM": "pwm_channel", "port": "port"}.get(claim.partition(" ")[0], "adc_device")


def _one_device(one: KeyPath, other: KeyPath) -> bool:
    """Return whether both are sides of one device: a controller's own meter answers at the controller's address."""
    return one[:2] == other[:2] and {one[2], other[2]} == {"controller", "meter"}
