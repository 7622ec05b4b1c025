"""What the tables of lines and drivers are made of; the other tables put them in place."""

from __future__ import annotations

from typing import Final

from agent.settings.protection_tables import debounce
from agent.settings.schema import Field, Kind, Table

_ACTIVE_HIGH: Final = Field(
    name="active_high", kind=Kind.FLAG, default=True, help="the line is active when it is high; false: when it is low"
)


# The guard reads these; a line that it drives has no bias.
PULL: Final = Field(
    name="pull", kind=Kind.TEXT, default="none", choices=("none", "up", "down"), help="bias resistor of the input"
)


def line(name: str, help: str, *more: Field, usual: bool = False, tables: tuple[Table, ...] = ()) -> Table:
    """Return the inline table of one line; ``more``: options beside its name and level."""
    name_of_line = Field(
        name="line", kind=Kind.TEXT, required=True, maximum=100, help="name of the line on this board", example="GPIO17"
    )
    fields = (name_of_line, _ACTIVE_HIGH, *more)
    return Table(name=name, help=help, fields=fields, tables=tables, usual=usual, inline=True)


def driver(default: str | None = None, example: str | None = None) -> Field:
    """Return the option ``driver``, which is required without a ``default``."""
    return Field(
        name="driver",
        kind=Kind.TEXT,
        required=default is None,
        default=default,
        help="name of the driver",
        example=example,
    )


def mirror(name: str, help: str) -> Table:
    """Return the inline table of a contactor's feedback."""
    kind = Field(
        name="kind",
        kind=Kind.TEXT,
        default="nc",
        choices=("nc", "no", "sense"),
        help="nc: the line is active while the contactor is open (a mirror contact of IEC 60947-4-1 is nc); no: while "
        "it is closed; sense: while there is voltage behind it",
    )
    return line(name, help, kind, debounce(), PULL)
