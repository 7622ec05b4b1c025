"""The station's variables: one book for every dialect.

Names are those of OCPP 2.0.1 (component, variable, instance); the 1.6 dialect maps its configuration keys onto them.
A value comes from the CSMS, from the station file, or is the default; what the CSMS changed wins until the file's own
value changes. Times and sizes carry their unit in ``Variable.unit``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec

from agent.model.commands import Attribute, VariableRef, VariableResult, VariableStatus

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,9})?")


class VariableType(Enum):
    """Data type of a variable (OCPP 2.0.1 DataEnumType)."""

    STRING = "string"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BOOLEAN = "boolean"
    OPTION_LIST = "OptionList"
    SEQUENCE_LIST = "SequenceList"
    MEMBER_LIST = "MemberList"


class Access(Enum):
    """Mutability of a variable (OCPP 2.0.1 MutabilityEnumType)."""

    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    READ_WRITE = "ReadWrite"


class ValueSource(Enum):
    """Who last decided the value."""

    DEFAULT = "default"
    FILE = "file"
    CSMS = "csms"


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """Definition of one variable.

    Attributes:
        default: text form of the value without file and CSMS.
        minimum, maximum: inclusive range of a number; for text, ``maximum`` is the length, for a list the members.
        options: allowed values of an option, or members of a list.
        known: further members that some stations offer: a value that was kept, or the station file's, may hold them.
        reboot_required: a change takes effect after a restart.
        persistent: kept over restarts.
        file_may_set: the CSMS cannot write it, but the station file may preset it.
        empty_means: members that an empty list stands for.
        follows: ``Component.Variable`` whose value counts instead of its own.
    """

    component: str
    variable: str
    instance: str | None = None
    type: VariableType
    access: Access = Access.READ_WRITE
    default: str = ""
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    reboot_required: bool = False
    persistent: bool = True
    file_may_set: bool = False
    empty_means: tuple[str, ...] = ()
    follows: str = ""
    text: str = ""
    evse_id: int | None = None
    connector_id: int | None = None

    @property
    def ref(self) -> VariableRef:
        """Return the reference that names this variable."""
        return VariableRef(
            component=self.component,
            variable=self.variable,
            instance=self.instance,
            evse_id=self.evse_id,
            connector_id=self.connector_id,
        )

    def normalise(self, text: str, *, kept: bool = False) -> str:
        """Return ``text`` in canonical form; ``kept``: it is not asked for now, so what is ``known`` will do.

        Raises:
            ValueError: it is not a value of this variable; the text says what was expected.
        """
        text = text.strip() if self.type is not VariableType.STRING else text
        match self.type:
            case VariableType.BOOLEAN:
                if text.casefold() not in ("true", "false"):
                    raise ValueError(f"{text!r} is not true or false")
                return text.casefold()
            case VariableType.INTEGER | VariableType.DECIMAL:
                return self._number(text)
            case VariableType.OPTION_LIST:
                return self._member(text)
            case VariableType.MEMBER_LIST | VariableType.SEQUENCE_LIST:
                known = self.known if kept else ()
                members = [self._member(part.strip(), known) for part in text.split(",") if part.strip()]
                if len(set(members)) != len(members):
                    raise ValueError(f"{text!r} names a member twice")
                if self.maximum is not None and len(members) > self.maximum:
                    raise ValueError(f"{len(members)} members are more than {self.maximum:.0f}")
                return ",".join(members)
            case VariableType.STRING | VariableType.DATE_TIME:
                if self.maximum is not None and len(text) > self.maximum:
                    raise ValueError(f"{len(text)} characters are more than {self.maximum:.0f}")
                return text

    def _number(self, text: str) -> str:
        form = _WHOLE if self.type is VariableType.INTEGER else _DECIMAL
        if not form.fullmatch(text):
            kind = "a whole number" if self.type is VariableType.INTEGER else "a number"
            raise ValueError(f"{text!r} is not {kind}")
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is not a number") from None
        if not number.is_finite():
            raise ValueError(f"{text!r} is not a finite number")
        if self.type is VariableType.INTEGER and number != number.to_integral_value():
            raise ValueError(f"{text!r} is not a whole number")
        low, high = self.minimum, self.maximum
        if (low is not None and number < Decimal(str(low))) or (high is not None and number > Decimal(str(high))):
            bounds = f"{'' if low is None else f'{low:g}'}-{'' if high is None else f'{high:g}'}"
            raise ValueError(f"{text} is outside {bounds}{' ' + self.unit if self.unit else ''}")
        return str(int(number)) if self.type is VariableType.INTEGER else format(number.normalize(), "f")

    def _member(self, text: str, known: tuple[str, ...] = ()) -> str:
        for option in (*self.options, *known):
            if option.casefold() == text.casefold():
                return option
        raise ValueError(f"{text!r} is not one of {', '.join(self.options)}")


class StoredValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value as the store keeps it. ``file_value`` is what the station file said when the CSMS changed it.

    Only one of ``ValueSource.CSMS`` has any effect; the others say that the station file has overruled it since.
    """

    key: str
    value: str
    source: ValueSource
    file_value: str | None = None


class VariableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One variable with its present value, for reports and ``status``."""

    definition: Variable
    value: str
    source: ValueSource


def key_of(ref: VariableRef) -> str:
    """Return the text key of a reference: ``Component[#evse[.connector]].Variable[Instance]``, case-folded."""
    place = "" if ref.evse_id is None else f"#{ref.evse_id}"
    if ref.connector_id is not None:
        place += f".{ref.connector_id}"
    component_instance = f"({ref.component_instance})" if ref.component_instance else ""
    instance = f"[{ref.instance}]" if ref.instance else ""
    return f"{ref.component}{component_instance}{place}.{ref.variable}{instance}".casefold()


@lru_cache(maxsize=512)
def _plain_key(component: str, variable: str, instance: str | None) -> str:
    return key_of(VariableRef(component=component, variable=variable, instance=instance))


class VariableBook:
    """Definitions and values of every variable. Holds no lock: the core loop owns it.

    ``live`` gives the values of read-only variables that mirror a state, by ``key_of``.
    """

    def __init__(
        self,
        definitions: Iterable[Variable],
        *,
        presets: Mapping[str, str],
        stored: Iterable[StoredValue] = (),
        live: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        """Build the book.

        Args:
            definitions: every variable.
            presets: values of the station file by ``key_of``, already checked.
            stored: what the store kept; more may be loaded later.
            live: asked at each look at a read-only variable.
        """
        self._definitions = {key_of(each.ref): each for each in definitions}
        self._follows = {key: each.follows.casefold() for key, each in self._definitions.items() if each.follows}
        self._empty_means = {key: each.empty_means for key, each in self._definitions.items() if each.empty_means}
        self._live = live
        self._presets = {key.casefold(): value for key, value in presets.items()}
        self._values: dict[str, tuple[str, ValueSource]] = {}
        self._adopted: dict[str, str] = {}
        self.load(stored)

    def load(self, stored: Iterable[StoredValue]) -> None:
        """Take the values that the store kept; what the CSMS set wins while the file says what it said then."""
        kept = {each.key: each for each in stored}
        for key, definition in self._definitions.items():
            preset = self._presets.get(key)
            memory = kept.get(key)
            if memory is not None and self._holds(memory) and self._fits(definition, memory.value):
                self._values[key] = (memory.value, ValueSource.CSMS)
            elif preset is not None:
                self._values[key] = (definition.normalise(preset, kept=True), ValueSource.FILE)
            else:
                self._values[key] = (definition.default, ValueSource.DEFAULT)
        self._values.update({key: (value, ValueSource.CSMS) for key, value in self._adopted.items()})

    def overruled(self, stored: Iterable[StoredValue]) -> tuple[StoredValue, ...]:
        """Return the rows to store in place of those that the station file has overruled.

        Without them a change of the CSMS would come back when the file says again what it said at that time.
        """
        return tuple(
            StoredValue(key=each.key, value=each.value, source=ValueSource.FILE)
            for each in stored
            if each.source is ValueSource.CSMS and not self._holds(each)
        )

    def _holds(self, memory: StoredValue) -> bool:
        return memory.source is ValueSource.CSMS and memory.file_value == self._presets.get(memory.key)

    @staticmethod
    def _fits(definition: Variable, value: str) -> bool:
        try:
            definition.normalise(value, kept=True)
        except ValueError:
            return False
        return True

    def text(self, component: str, variable: str, instance: str | None = None) -> str:
        """Return the stored value as text. Raises ``KeyError`` for a variable that does not exist: a bug."""
        key = _plain_key(component, variable, instance)
        return self._values[self._follows.get(key, key)][0]

    def integer(self, component: str, variable: str, instance: str | None = None) -> int:
        """Return the value as an integer; an unset one is 0."""
        return int(self.text(component, variable, instance) or 0)

    def flag(self, component: str, variable: str, instance: str | None = None) -> bool:
        """Return the value as a truth value."""
        return self.text(component, variable, instance) == "true"

    def members(self, component: str, variable: str, instance: str | None = None) -> tuple[str, ...]:
        """Return the members of a list."""
        members = tuple(part for part in self.text(component, variable, instance).split(",") if part)
        return members or self._empty_means.get(_plain_key(component, variable, instance), ())

    def definition(self, ref: VariableRef) -> Variable | None:
        """Return the definition, or ``None`` for an unknown variable."""
        return self._definitions.get(key_of(ref))

    def entries(self) -> tuple[VariableEntry, ...]:
        """Return every variable with its present value, in the order of definition."""
        live = {} if self._live is None else self._live()
        return tuple(self._entry(key, live) for key in self._definitions)

    def get(self, ref: VariableRef, attribute: Attribute = Attribute.ACTUAL) -> VariableResult:
        """Return the result of reading one attribute (OCPP 2.0.1 B06)."""
        definition = self._definitions.get(key_of(ref))
        if definition is None:
            return VariableResult(ref=ref, attribute=attribute, status=self._unknown(ref))
        if attribute is not Attribute.ACTUAL:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.NOT_SUPPORTED_ATTRIBUTE)
        if definition.access is Access.WRITE_ONLY:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.WRITE_ONLY)
        key = key_of(ref)
        value = self._entry(key, {} if self._live is None else self._live()).value
        return VariableResult(
            ref=ref,
            attribute=attribute,
            status=VariableStatus.ACCEPTED,
            value=value,
            read_only=definition.access is Access.READ_ONLY,
        )

    def check(self, ref: VariableRef, attribute: Attribute, text: str) -> VariableResult:
        """Return what writing ``text`` would give, and change nothing (OCPP 2.0.1 B05). ``value`` is canonical."""
        definition = self._definitions.get(key_of(ref))
        if definition is None:
            return VariableResult(ref=ref, attribute=attribute, status=self._unknown(ref))
        if attribute is not Attribute.ACTUAL:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.NOT_SUPPORTED_ATTRIBUTE)
        if definition.access is Access.READ_ONLY:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.READ_ONLY, why="read-only")
        try:
            value = definition.normalise(text)
        except ValueError as error:
            return VariableResult(ref=ref, attribute=attribute, status=VariableStatus.REJECTED, why=str(error))
        status = VariableStatus.REBOOT_REQUIRED if definition.reboot_required else VariableStatus.ACCEPTED
        return VariableResult(ref=ref, attribute=attribute, status=status, value=value)

    def changed(self, ref: VariableRef, value: str) -> StoredValue | None:
        """Return the row to store for a checked write, or ``None`` if the value is what it was (no flash wear)."""
        key = key_of(ref)
        if self._values[key][0] == value:
            return None
        return StoredValue(key=key, value=value, source=ValueSource.CSMS, file_value=self._presets.get(key))

    def apply(self, row: StoredValue) -> None:
        """Take over a value that is durable now."""
        self._adopted.pop(row.key, None)
        self._values[row.key] = (row.value, ValueSource.CSMS)

    def adopt(self, component: str, variable: str, value: str) -> None:
        """Take a value that the CSMS decided in passing (the heartbeat interval), for this run only."""
        key = key_of(VariableRef(component=component, variable=variable))
        self._adopted[key] = value
        self._values[key] = (value, ValueSource.CSMS)

    def offer(self, component: str, variable: str, options: tuple[str, ...]) -> None:
        """Say which of its options a list has from now on (the station's parts decide); a present value stays."""
        key = key_of(VariableRef(component=component, variable=variable))
        definition = self._definitions[key]
        every = dict.fromkeys((*definition.options, *definition.known))
        offered = tuple(each for each in options if each in every)
        if definition.options != offered:
            rest = tuple(each for each in every if each not in offered)
            self._definitions[key] = msgspec.structs.replace(definition, options=offered, known=rest)

    def _entry(self, key: str, live: Mapping[str, str]) -> VariableEntry:
        value, source = self._values[key]
        value = live.get(key, value)
        return VariableEntry(definition=self._definitions[key], value=value, source=source)

    def _unknown(self, ref: VariableRef) -> VariableStatus:
        """Say whether it is the component that is unknown: one of that name, at that EVSE and connector (B06)."""
        asked = _component_of(ref)
        known = any(_component_of(each.ref) == asked for each in self._definitions.values())
        return VariableStatus.UNKNOWN_VARIABLE if known else VariableStatus.UNKNOWN_COMPONENT


def _component_of(ref: VariableRef) -> tuple[str, str | None, int | None, int | None]:
    instance = None if ref.component_instance is None else ref.component_instance.casefold()
    return ref.component.casefold(), instance, ref.evse_id, ref.connector_id
