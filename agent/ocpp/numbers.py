"""Readings as OCPP writes them."""

from __future__ import annotations


def decimal_text(value: float) -> str:
    """Return ``value`` as plain decimal text with at most three digits after the point: ``16``, ``229.8``, ``0.05``."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
