"""Which meter and card reader a demonstration has: what there is, what does not fit, and how that is said."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Final

from hil.demo_charge import CARD
from hil.house import USUAL_METER
from hil.paths import config_dir
from hil.reader_faces import READER_FACES
from hil.register_map import RegisterMap
from hil.station_toml import StationOptions

USUAL_READER: Final = StationOptions().reader
_POWER_W: Final = 3 * 230.0 * StationOptions().max_current_a  # of the demonstration's car
_LONG_CARD: Final = "04A1B2C3D4E5F6"  # 7 bytes, as most cards of 13.56 MHz have
_SPARE: Final = 1.2  # for the seconds in which the car begins and ends


def add_parts(parser: argparse.ArgumentParser) -> None:
    """Add ``--meter`` and ``--reader``."""
    parser.add_argument(
        "--meter",
        type=_meter,
        default=USUAL_METER,
        metavar="PROFILE",
        help="profile of the meters, a name of config/meters or a file if it holds a slash (default %(default)s)",
    )
    parser.add_argument(
        "--reader", choices=tuple(READER_FACES), default=USUAL_READER, help="card reader (default %(default)s)"
    )


def too_coarse(meter: str, charging_s: float) -> str | None:
    """Return why a charge of ``charging_s`` may not show on that meter's register; ``None``: it shows."""
    step_wh = RegisterMap.load(_file_of(meter)).step_wh
    needed_s = _SPARE * step_wh * 3600.0 / _POWER_W
    if charging_s >= needed_s:
        return None
    return (
        f"the meter {meter} counts in steps of {step_wh:g} Wh, which a charge of {charging_s:g} s may not reach; "
        f"expected at least --charging {needed_s:.0f}"
    )


def card_for(reader: str) -> str:
    """Return the id of a card that a reader of this family can read."""
    return CARD if READER_FACES[reader].cards.fullmatch(CARD) else _LONG_CARD


def meter_names() -> tuple[str, ...]:
    """Return the name of every profile that is shipped."""
    return tuple(sorted(path.stem for path in (config_dir() / "meters").glob("*.toml")))


def _meter(text: str) -> str:
    if "/" in text:
        path = Path(text).absolute()
        try:
            RegisterMap.load(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise argparse.ArgumentTypeError(f"{text!r} is no meter profile: {exc!r}") from exc
        return str(path)
    names = meter_names()
    if text not in names:
        close = difflib.get_close_matches(text, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise argparse.ArgumentTypeError(f"there is no meter profile {text!r}{hint} There are {', '.join(names)}")
    return text


def _file_of(meter: str) -> Path:
    return Path(meter) if "/" in meter else config_dir() / "meters" / f"{meter}.toml"
