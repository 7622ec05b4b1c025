"""Screens of ``charge-agent meter``: pure functions from what was found to text and to JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent.console.meter_scan import Scan
from drivers.meter.profile import Profile

Answer = Mapping[str, Any]
_UNITS = {
    "energy": "Wh",
    "power": "W",
    "voltage": "V",
    "current": "A",
    "frequency": "Hz",
    "reactive": "var",
    "apparent": "VA",
}


def reading_screen(answer: Answer) -> str:
    """Return one reading."""
    lines = [_head(answer)]
    reading = answer["reading"]
    if reading is None:
        return "\n".join([*lines, f"  no reading: {answer.get('error') or 'none yet'}"])
    imported, exported = (_number(reading[f"energy_{way}_wh"], 0) for way in ("import", "export"))
    rows = (
        ("energy", f"{imported} Wh imported, {exported} Wh exported"),
        ("power", f"{_number(reading['power_w'], 0)} W   {_each(reading['power_phase_w'], 0)} W"),
        ("current", f"{_each(reading['current_a'], 2)} A"),
        ("voltage", f"{_each(reading['voltage_v'], 1)} V   {_number(reading['frequency_hz'], 2)} Hz"),
        ("factor", f"{_number(reading['power_factor'], 2)}"),
        *((("vehicle", f"{reading['soc_pct']:g} % charged"),) if reading.get("soc_pct") is not None else ()),
    )  # fmt: skip
    return "\n".join([*lines, *(f"  {name:<8}  {text}" for name, text in rows), f"  {answer['age_s']:.1f} s old"])


def values_screen(answer: Answer) -> str:
    """Return every value of a profile."""
    values: Mapping[str, Any] = answer["values"]
    width = max(len(name) for name in values)
    rows = [f"  {name:<{width}}  {_value(name, value)}" for name, value in values.items()]
    return "\n".join([_head(answer), *rows])


def doctor_screen(answer: Answer) -> str:
    """Return the counters of a line, and what they mean."""
    lines = [_head(answer)]
    counters = answer["counters"]
    if counters is not None:
        lines += [
            f"  requests {counters['requests']}, answers {counters['answers']}, refused {counters['refusals']}",
            f"  no answer {counters['timeouts']}, wrong checksum {counters['checksums']},"
            f" broken off {counters['short']}, somebody else's {counters['foreign']}, late {counters['late']}",
        ]
        latency_s = counters["latency_s"]
        if latency_s is not None:
            least, median, most = (f"{1000 * each:.0f}" for each in latency_s)
            lines.append(f"  answers after {least} / {median} / {most} ms (least, median, most)")
    if answer.get("identified") is not None:
        lines.append(
            "  it says that it is this model" if answer["identified"] else "  it says that it is another model"
        )
    if answer.get("last_error"):
        lines.append(f"  last error: {answer['last_error']}")
    found = [f"  - {each}" for each in answer["hints"]]
    return "\n".join([*lines, *(["What to look at:", *found] if found else ["Nothing to complain about."])])


def scan_answer(found: Scan) -> dict[str, Any]:
    """Return a scan as JSON carries it."""
    return {
        "found": [
            {
                "unit": each.unit,
                "baud": each.setting.baud or None,
                "parity": each.setting.parity if each.setting.baud else None,
                "profiles": each.profiles,
                "likely": each.likely,
            }
            for each in found.found
        ],
        "noisy": [str(each) for each in found.noisy],
        "closed": [{"setting": str(setting), "error": error} for setting, error in found.closed],
        "requests": found.tried,
    }


def scan_screen(found: Scan, port: str) -> str:
    """Return what a scan found, and what to write into the station file."""
    lines = [f"{len(found.found)} device{'' if len(found.found) == 1 else 's'} found, {found.tried} requests"]
    for each in found.found:
        named = f"says that it is {_or(each.profiles)}" if each.profiles else "does not say what it is"
        likely = f"; the values look right with {_or(each.likely)}" if each.likely else ""
        lines.append(f"  address {each.unit} at {each.setting}: {named}{likely}")
    if found.noisy:
        lines.append(f"  bytes that are no frames at {', '.join(map(str, found.noisy))}: two devices with one address,")
        lines.append("  or a device with another speed or parity")
    lines += [f"  {setting} cannot be set: {error}" for setting, error in found.closed]
    if found.found and port:
        first = found.found[0]
        profile = (*first.profiles, *first.likely, "...")[0]
        lines += [
            "For the station file:",
            "  [bus.meters]",
            f'  port = "{port}"  # better a name under /dev/serial/by-id',
            f"  baud = {first.setting.baud}",
            f'  parity = "{first.setting.parity}"',
            f'  meter = {{ driver = "modbus", profile = "{profile}", bus = "meters", unit = {first.unit} }}',
        ]
    if not found.found:
        lines.append(
            "  A and B swapped? No supply? Another address (--units 1-247)? Another parity (--parities N,E,O)?"
        )
    return "\n".join(lines)


def profiles_screen(profiles: Sequence[Profile]) -> str:
    """Return the list of profiles."""
    width = max(len(each.id) for each in profiles)
    return "\n".join(
        f"{each.id:<{width}}  {each.confidence.value:<6}  {each.vendor} {', '.join(each.models)}" for each in profiles
    )


def _head(answer: Answer) -> str:
    number = answer["evse"]
    evse = "" if number is None else f"EVSE {number}: " if number else "main meter: "
    line = f"{evse}{answer['profile']}, unit {answer['unit']}, {answer['line']}"
    return line + (" (read by the running agent)" if answer["source"] == "agent" else "")


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)


def _each(values: Sequence[float | None], digits: int) -> str:
    return "/".join("-" if each is None else f"{each:.{digits}f}" for each in values)


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _value(name: str, value: float | str | None) -> str:
    if value is None:
        return "not available"
    if isinstance(value, str):
        return value
    unit = _UNITS.get(name.split("_")[0], "")
    return (
        f"{value:.6g} {unit}".rstrip()
        if name != "serial_number" and not name.startswith("energy")
        else (f"{value:.0f} {unit}".rstrip())
    )
