"""Messages as our own code would build them: strategies made from the types of `agent.ocpp`."""

from __future__ import annotations

import types
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import reject
from hypothesis import strategies as st

from agent.ocpp.codec import Payload
from agent.ocpp.wire_time import WireTime, format_utc

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_TENTHS = st.integers(-(10**9), 10**9).map(lambda n: n / 10)
_TIMES = st.floats(-62e9, 253e9).map(format_utc)


def messages(kind: type[Payload], numbers: st.SearchStrategy[float] = _TENTHS) -> st.SearchStrategy[Any]:
    """Generate values of a message type within its declared limits."""
    hints = get_type_hints(kind, include_extras=True)
    optional = {field.name for field in msgspec.structs.fields(kind) if field.default is not msgspec.NODEFAULT}
    required = {name: _values(hints[name], numbers) for name in hints if name not in optional}
    extra = {name: _values(hints[name], numbers) for name in hints if name in optional}
    return st.fixed_dictionaries(required, optional=extra).map(_build(kind))


def _build(kind: type[Payload]) -> Callable[[dict[str, Any]], Payload]:
    def build(members: dict[str, Any]) -> Payload:
        try:
            return kind(**members)
        except ValueError:
            reject()

    return build


def _values(hint: Any, numbers: st.SearchStrategy[float], meta: msgspec.Meta | None = None) -> st.SearchStrategy[Any]:
    origin = get_origin(hint)
    if origin is Annotated:
        base, *notes = get_args(hint)
        return _values(base, numbers, notes[0])
    if origin in (Union, types.UnionType):
        return st.one_of(*(_values(arm, numbers) for arm in get_args(hint)))
    if origin is tuple:
        least = max(1, meta.min_length or 0) if meta else 1
        most = min(least + 2, (meta.max_length or least + 2) if meta else least + 2)
        return st.lists(_values(get_args(hint)[0], numbers), min_size=least, max_size=most).map(tuple)
    if isinstance(hint, type) and issubclass(hint, Payload):
        return messages(hint, numbers)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    simple: dict[Any, st.SearchStrategy[Any]] = {
        WireTime: _TIMES,
        str: st.text(max_size=meta.max_length if meta else 40),
        int: st.integers(meta.ge if meta else None, meta.le if meta else None),  # type: ignore[arg-type]
        float: numbers,
        bool: st.booleans(),
        type(None): st.none(),
        Any: _JSON,
    }
    return simple[hint]
