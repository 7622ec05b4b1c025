"""Draws a charge as a self-contained SVG, readable on light and dark ground. Pure."""
from collections.abc import Sequence
from typing import Any, Mapping
def draw_charge(trace: Sequence[tuple[float, str, Any]], frames: Sequence[Mapping[str, Any]], *, begin_s: float, title: str) -> str:
    return ""
