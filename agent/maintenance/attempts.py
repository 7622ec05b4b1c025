"""How often a transfer is tried again, and after which pause. Pure.

Source: OCPP 1.6 §6.53: the CSMS may leave both to the station.
"""

from __future__ import annotations

from typing import Final

OWN_RETRIES: Final = 2  # where the CSMS leaves them to the station
OWN_INTERVAL_S: Final = 5.0
MOST_RETRIES: Final = 1_000
LONGEST_INTERVAL_S: Final = 86_400.0


def retries_of(asked: int | None) -> int:
    """Return how often it is tried again, 0 to ``MOST_RETRIES``; ``None``: the CSMS did not say."""
    return OWN_RETRIES if asked is None else min(max(asked, 0), MOST_RETRIES)


def interval_of(asked_s: float | None) -> float:
    """Return the pause before it is tried again, 0 to ``LONGEST_INTERVAL_S``; ``None``: the CSMS did not say."""
    return OWN_INTERVAL_S if asked_s is None else min(max(float(asked_s), 0.0), LONGEST_INTERVAL_S)
