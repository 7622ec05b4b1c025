"""What the tables of a station file say about each other. Works on what is left of a file with problems, too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from agent.settings.across_controllers import check_controllers, meters_of
from agent.settings.across_protection import check_protection, protection_lines
from agent.settings.claims import check_cables, check_claims, line_key_of
from agent.settings.connectors import CONNECTORS, check_connectors, completed, parts_of
from agent.settings.indicators import check_indicators, people_lines
from agent.settings.key_lines import KeyPath
from agent.settings.key_store import check_key_store
from agent.settings.maintenance import check_maintenance
from agent.settings.reading import Clean, Reading, key_text
from agent.settings.station import DriverSettings
from drivers.registry import closest

_ID: Final = re.compile(r"[A-Za-z0-9*\-_=+|@.]+")  # OCPP 2.0.1 Part 2, identifierString; it is part of the address
LONGEST_LABEL: Final = 63  # characters. RFC 1035 §2.3.4
PASSWORD_PROFILE: Final = 1  # security whitepaper A00: HTTP Basic authentication without TLS
TLS_PROFILE: Final = 2  # from here on the connection is TLS
_SERIAL: Final = ("port", "baud", "parity", "stopbits", "gap_ms")
_TCP: Final = ("host", "tcp_port")
_HOST: Final = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(%[\w.-]+)?")  # a name, or an IPv6 address with its zone
_SOCKET_PATH_B: Final = 107  # sockaddr_un. unix(7)


def check_across(clean: Clean, reading: Reading) -> None:
    """Note every contradiction in ``clean``, what remains of the tables without their problems."""
    _check_station(clean.get("station", {}), reading)
    _check_csms(clean.get("csms", {}), reading)
    _check_evses(clean.get("evse", []), reading)
    _check_lines(clean, reading)
    check_controllers(clean, reading)
    check_connectors(clean, reading)
    check_protection(clean, reading)
    check_maintenance(clean, reading)
    check_indicators(clean, reading)
    _check_buses(clean, reading)
    _check_ports(clean, reading)
    _check_devices(clean, reading)
    check_claims(clean, reading)
    check_cables(clean, reading)
    _check_readers(clean, reading)
    charging = clean.get("charging", {})
    stale_s, poll_s = charging.get("meter_stale_s"), charging.get("meter_poll_s")
    if stale_s is not None and poll_s is not None and stale_s <= poll_s:
        reading.refuse(("charging", "meter_stale_s"), f"{stale_s:g} s is not longer than meter_poll_s {poll_s:g} s")


def _check_station(station: Clean, reading: Reading) -> None:
    identity = station.get("id")
    if identity is not None and not _ID.fullmatch(identity):
        reading.refuse(("station", "id"), f"{identity!r} holds characters besides letters, digits and *-_=+|@.")
    run_dir = station.get("run_dir")
    if run_dir is not None and len(str(run_dir / "guard.sock").encode()) > _SOCKET_PATH_B:
        reading.refuse(("station", "run_dir"), f"is too long: a socket's path has at most {_SOCKET_PATH_B} bytes")


def _check_csms(csms: Clean, reading: Reading) -> None:
    listed: list[tuple[str | None, KeyPath]] = [(csms.get("url"), ("csms", "url"))]
    listed += [(each, ("csms", "fallback_urls", place)) for place, each in enumerate(csms.get("fallback_urls", ()))]
    urls = [url for url, path in listed if url is not None and _check_url(url, path, csms, reading)]
    for name, other in (("client_certificate", "client_key"), ("client_key", "client_certificate")):
        if name in csms and other not in csms and not reading.refused(("csms", other)):
            reading.refuse(("csms", name), f"is given without {other}")
    check_key_store(csms, reading)
    profile, path = csms.get("security_profile"), ("csms", "security_profile")
    if profile is None:
        return
    if profile >= TLS_PROFILE and not any(url.startswith("wss:") for url in urls) and urls:
        reading.refuse(path, f"{profile} needs a wss:// address")
    if profile == PASSWORD_PROFILE and not any(url.startswith("ws:") for url in urls) and urls:
        reading.refuse(path, "1 is a password over ws://", "with wss:// it is 2")


def _check_url(url: str, path: KeyPath, csms: Clean, reading: Reading) -> bool:
    """Note what is wrong with an address; return whether it is one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # raises for a port that is none
    except ValueError as exc:
        reading.refuse(path, f"{url!r} is no address: {exc}")
        return False
    if url.partition("://")[0] not in ("ws", "wss") or not host:
        reading.refuse(path, f"{url!r} is no address of the form wss://host/path")
    elif not url.isascii() or not url.isprintable() or " " in url:  # RFC 3986 §2; a name in other letters is xn--...
        reading.refuse(path, f"{url!r} holds characters that no address has", "write them as %XX, a host as xn--...")
    elif not all(0 < len(label) <= LONGEST_LABEL for label in host.removesuffix(".").split(".")):
        reading.refuse(path, f"{host!r} is no name of a host", f"1-{LONGEST_LABEL} characters between two dots")
    elif parts.username is not None or parts.password is not None:
        reading.refuse(path, "holds a user or password", "write the password to a file and name it in password_file")
    elif parts.query or parts.fragment:
        reading.refuse(path, f"{url!r} has a query or fragment: the station's identity could not be appended")
    elif parts.scheme == "ws" and csms.get("allow_insecure") is False:
        reading.refuse(path, f"{url!r} is not encrypted", "use wss://, or set allow_insecure = true")
    return not reading.refused(path)


def _check_evses(evses: list[Clean], reading: Reading) -> None:
    seen: set[int] = set()
    for index, evse in enumerate(evses):
        path: KeyPath = ("evse", index)
        number = evse.get("id")
        if number in seen:
            reading.refuse((*path, "id"), f"{number} is used by another EVSE")
        elif number is not None:
            seen.add(number)
        if evse.get("tethered") and "lock" in evse:
            reading.refuse((*path, "lock"), "is given for an EVSE with a fixed cable (tethered = true)")
        _check_phases(evse, path, reading)
        for place, connector in enumerate(evse.get(CONNECTORS, [])):
            _check_phases(completed(evse, connector), (*path, CONNECTORS, place), reading)
    if seen and len(seen) == len(evses) and seen != set(range(1, len(evses) + 1)):
        listed = ", ".join(str(each) for each in sorted(seen))
        # OCPP 1.6 §4.2 and 2.0.1 Part 1 §7: numbers are consecutive and start at 1
        reading.refuse(("evse",), f"ids are {listed}, expected 1-{len(evses)} without a gap")


def _check_phases(evse: Clean, path: KeyPath, reading: Reading) -> None:
    second = "phase_contactor" in evse
    if second and evse.get("phases") == 1:
        reading.refuse((*path, "phase_contactor"), "is given for an EVSE with phases = 1, expected phases = 3")
    if "phase_mirror" in evse and not second:
        reading.refuse((*path, "phase_mirror"), "is given without a phase_contactor")
    if evse.get("phase_switching") is True:
        if not second and not reading.refused((*path, "phase_contactor")):
            reading.refuse((*path, "phase_switching"), "is true without a phase_contactor, which it needs")
        elif "mirror" not in evse or "phase_mirror" not in evse:
            hint = "without feedback nobody can see that no current flows while it switches"
            reading.refuse((*path, "phase_switching"), "is true without mirror and phase_mirror", hint)
    if evse.get("tethered") and evse.get("reject_13a"):
        reading.refuse((*path, "reject_13a"), "is true for an EVSE with a fixed cable (tethered = true)")


def _check_lines(clean: Clean, reading: Reading) -> None:
    used: dict[str, tuple[str, KeyPath]] = {}
    key = line_key_of(clean)
    for part, place in parts_of(clean):
        for _, line, path in _lines_of(part, place):
            other = used.get(key(line))
            if other is None:
                used[key(line)] = (key_text(path), path)
            else:
                reading.refuse((*path, "line"), f"{line!r} is used by {other[0]} already")
    named = dict(used)
    for role, line, path in protection_lines(clean):
        taken = named.setdefault(key(line), (role, path))
        if taken[1] != path:
            reading.refuse((*path, "line"), f"{line!r} is used by {taken[0]} already")


def _lines_of(evse: Clean, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    for role in ("contactor", "mirror", "phase_contactor", "phase_mirror", "lock", "rcd", "emergency_stop"):
        line = evse.get(role, {}).get("line")
        if line is not None:
            yield role, line, (*path, role)
    yield from people_lines(evse, path)
    feedback = evse.get("lock", {}).get("feedback", {}).get("line")
    if feedback is not None:
        yield "lock.feedback", feedback, (*path, "lock", "feedback")


def _check_buses(clean: Clean, reading: Reading) -> None:
    buses: dict[str, Clean] = clean.get("bus", {})
    for name, bus in buses.items():
        if "port" in bus and "host" in bus:
            reading.refuse(("bus", name), "has a port and a host, expected one of them")
        elif "port" not in bus and "host" not in bus and not reading.refused(("bus", name)):
            reading.refuse(("bus", name), "has neither a port (serial) nor a host (TCP)")
        else:
            _check_bus(name, bus, reading)
    ports = Counter(str(bus["port"]) for bus in buses.values() if "port" in bus)
    for name, bus in buses.items():
        if "port" in bus and ports[str(bus["port"])] > 1:
            reading.refuse(("bus", name, "port"), f"{str(bus['port'])!r} is the port of another bus, too")
    for driver, path in meters_of(clean):
        wanted = driver.options.get("bus")
        if wanted is not None and wanted not in buses:
            near = closest(wanted, buses)
            known = f"there are {', '.join(buses)}" if buses else "there is no [bus.NAME] table"
            hint = f"did you mean {near!r}?" if near else ""
            reading.refuse((*path, "bus"), f"{wanted!r} is no bus of this file, {known}", hint)


def _check_bus(name: str, bus: Clean, reading: Reading) -> None:
    kind, own, foreign = ("serial", _SERIAL, _TCP) if "port" in bus else ("TCP", _TCP, _SERIAL)
    for option in foreign:
        path: KeyPath = ("bus", name, option)
        if reading.written(path) and not reading.refused(path):
            reading.refuse(path, f"has no effect on a {kind} bus, expected {', '.join(own)}")
    if "host" in bus and not _HOST.fullmatch(bus["host"]):
        reading.refuse(("bus", name, "host"), f"{bus['host']!r} is no name or address of a host")


def _check_ports(clean: Clean, reading: Reading) -> None:
    """Refuse a serial port that a card reader and a bus both open: each takes it for itself."""
    bus_of = {str(bus["port"]): name for name, bus in clean.get("bus", {}).items() if "port" in bus}
    for index, reader in enumerate(clean.get("reader", [])):
        driver = reader.get("driver")
        port = driver.options.get("port") if isinstance(driver, DriverSettings) else None
        if port is not None and str(port) in bus_of:
            reading.refuse(("reader", index, "port"), f"{str(port)!r} is the port of bus {bus_of[str(port)]!r}, too")


def _check_devices(clean: Clean, reading: Reading) -> None:
    """Refuse one device that is given for two places: two vehicles would share a pilot or a meter."""
    places: list[tuple[KeyPath, Clean]] = []
    for part, where in parts_of(clean):
        places += [((*where, role), part[role]) for role in ("pilot", "controller", "meter") if role in part]
    places += [(("main_meter",), clean["main_meter"])] if "main_meter" in clean else []
    places += [(("reader", index), reader) for index, reader in enumerate(clean.get("reader", []))]
    seen: list[tuple[DriverSettings, KeyPath]] = []
    for path, table in places:
        driver = table.get("driver")
        if not isinstance(driver, DriverSettings):
            continue
        other = next((where for device, where in seen if device == driver and device.options), None)
        if other is not None:
            reading.refuse(path, f"is the same device as {key_text(other)}")
        seen.append((driver, path))


def _check_readers(clean: Clean, reading: Reading) -> None:
    evse_ids = {each.get("id") for each in clean.get("evse", [])}
    names: set[str] = set()
    for index, reader in enumerate(clean.get("reader", [])):
        path: KeyPath = ("reader", index)
        name = reader.get("name")
        if name in names:
            reading.refuse((*path, "name"), f"{name!r} is the name of another reader, too")
        elif name is not None:
            names.add(name)
        served = reader.get("evses", ())
        for place, number in enumerate(served):
            if number not in evse_ids and None not in evse_ids:
                reading.refuse((*path, "evses", place), f"{number} is no EVSE of this file")
            elif number in served[:place]:
                reading.refuse((*path, "evses", place), f"{number} is given twice")
