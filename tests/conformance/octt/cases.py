"""``case``: a certification case as a test."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.conformance.octt.virtual_time import in_virtual_time

Play = Callable[..., Coroutine[Any, Any, None]]


def case(*ids: str) -> Callable[[Play], Callable[..., None]]:
    """Mark a coroutine as the test of certification cases, and have it played in virtual time."""

    def mark(play: Play) -> Callable[..., None]:
        @functools.wraps(play)
        def played(*args: Any, **members: Any) -> None:
            in_virtual_time(play(*args, **members))

        marked: Callable[..., None] = pytest.mark.octt(*ids)(played)
        return marked

    return mark
