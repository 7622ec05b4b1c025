"""The words in which the options of a station file are described; the options themselves are in ``tables``."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from drivers.api import DriverKind


class Kind(Enum):
    """What a value is; the value of the member is what an error text calls it."""

    TEXT = "text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    FLAG = "true or false"
    PATH = "a path"
    PATHS = "a list of paths"
    TEXTS = "a list of texts"
    WHOLES = "a list of whole numbers"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One option.

    Attributes:
        default: value without the option; ``None`` together with ``required=False`` means "none".
        minimum, maximum: inclusive, of a number or of each in a list; for text, ``maximum`` is the length.
        existing: the path must lead to a file.
        example: shown in the example file where there is no default.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""
    required: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    existing: bool = False
    example: Any = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table.

    Attributes:
        repeated: written ``[[name]]``.
        named: the table holds tables of this shape under names of the user's choice, ``[name.NAME]``.
        inline: written ``name = { ... }`` inside its parent.
        driver: its ``driver`` option chooses a driver of this kind, whose options stand in the same table.
        optional: the file need not have it, and without it there is no such thing (rather than one with defaults).
        apart: written ``[[parent.name]]`` below its parent. as_above: one of those has the parent's table of this name.
        usual: the example file gives it although it may be absent. instead_of: what it replaces, for the example file.
    """

    name: str
    help: str
    fields: tuple[Field, ...] = ()
    tables: tuple[Table, ...] = ()
    required: bool = False
    repeated: bool = False
    named: bool = False
    inline: bool = False
    driver: DriverKind | None = None
    optional: bool = False
    usual: bool = False
    instead_of: str = ""
    apart: bool = False
    as_above: bool = False
