"""The table of all shipped profiles, as ``docs/meters.md`` shows it.

``python -m drivers.meter.profile_table docs/meters.md`` writes it between its two marks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from drivers.config_dir import config_dir
from drivers.meter.modbus import WANTED
from drivers.meter.profile import Profile
from drivers.meter.profile_file import load_profile

BEGIN: Final = "<!-- profiles -->\n"
END: Final = "<!-- /profiles -->"
_COLUMNS: Final = (
    "profile",
    "meters",
    "phases",
    "as delivered",
    "reads",
    "energy in steps of",
    "known by",
    "confidence",
)


def table() -> str:
    """Return the table, one row for each file of ``config/meters``."""
    names = sorted(each.stem for each in (config_dir() / "meters").glob("*.toml"))
    rows = [_row(load_profile(str(config_dir() / "meters" / f"{name}.toml"))) for name in names]
    head = [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    return "\n".join([*head, *rows]) + "\n"


def with_table(document: str) -> str:
    """Return the document with the table made anew. Raises ``ValueError`` without a place for it."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no place between {BEGIN.strip()} and {END}")
    return f"{before}{begin}{table()}{end}{after}"


def _row(profile: Profile) -> str:
    cells = (
        f"`{profile.id}`",
        f"{profile.vendor} {', '.join(profile.models)}",
        str(profile.phases),
        _delivered(profile),
        _reads(profile),
        _step(profile),
        "its registers" if profile.identity else "-",
        profile.confidence.value,
    )
    return f"| {' | '.join(each.replace('|', '/') for each in cells)} |"


def _delivered(profile: Profile) -> str:
    serial, tcp = profile.serial, profile.tcp
    ports: list[str] = []
    if serial is not None:
        ports.append(f"{serial.baud} 8{serial.parity}{serial.stopbits} #{serial.unit}{'' if serial.sure else ' ?'}")
    if tcp is not None:
        ports.append(f"TCP {tcp.port} #{tcp.unit}")
    return "; ".join(ports)


def _reads(profile: Profile) -> str:
    have = profile.quantities
    letters = (
        ("P", "power"),
        ("U", "voltage_l1"),
        ("I", "current_l1"),
        ("f", "frequency"),
        ("export", "energy_export"),
    )
    requests = len(profile.blocks(profile.needs(WANTED)))
    values = " ".join(letter for letter, name in letters if name in have)
    return f"{values}; {requests} request{'' if requests == 1 else 's'}"


def _step(profile: Profile) -> str:
    register = profile.registers["energy_import"]
    if register.exponent_at is not None:
        return "a register says"
    step_wh = register.step(10_000_000.0)
    if step_wh < 0.1:
        return "under 0.1 Wh"
    return f"{step_wh:.3g} Wh" + (" (float, at 10 MWh)" if register.type.value.startswith("float") else "")


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
