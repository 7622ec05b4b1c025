"""Charges that were recorded from the bench, times relative to the tap (s); see the folder ``records``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "records"


def recorded(version: str) -> tuple[list[tuple[float, str, Any]], list[dict[str, Any]]]:
    """Return trace and frames of a charge in ``v16`` or ``v201``."""
    record = json.loads((RECORDS / f"charge_{version}.json").read_text(encoding="utf-8"))
    return [(at_s, signal, value) for at_s, signal, value in record["trace"]], record["frames"]
