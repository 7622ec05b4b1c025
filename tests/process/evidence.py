"""What a house saw, written into its folder: the world's trace and state, the CSMS's book and frames, the logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from hil.client import Bench, BenchError

TAIL_CHARACTERS: Final = 6000
ROLES: Final = ("guard", "agent", "csms", "bench")


def keep_evidence(directory: Path) -> None:
    """Write what bench and CSMS know into their folder, as far as they still answer."""
    try:
        with Bench(directory) as bench:
            (directory / "state.json").write_text(json.dumps(bench.state(), indent=1))
            entries = bench.trace("*")
            (directory / "trace.txt").write_text("".join(f"{t:.3f} {name} {value}\n" for t, name, value in entries))
            for ask in ("ledger", "messages"):
                found: Any = bench.csms(ask=ask)
                (directory / f"{ask}.json").write_text(json.dumps(found, indent=1))
    except BenchError as error:
        (directory / "evidence.txt").write_text(f"{error}\n")


def summary_of(directory: Path) -> str:
    """Return the book and the ends of the logs, for a report."""
    parts = []
    book = directory / "ledger.json"
    if book.exists():
        ledger = json.loads(book.read_text())
        for row in ledger["transactions"]:
            told = {key: value for key, value in row.items() if key != "samples"}
            parts.append(f"{told} with {len(row['samples'])} samples")
        parts.append(f"problems: {ledger['problems']}")
    state = directory / "state.json"
    if state.exists():
        for number, evse in json.loads(state.read_text())["evses"].items():
            parts.append(f"EVSE {number} energisings: {evse['energisings']}")
    for role in ROLES:
        log = directory / f"{role}.log"
        if log.exists():
            parts.append(f"--- {role} ---\n{log.read_text(errors='replace')[-TAIL_CHARACTERS:]}")
    return "\n".join(parts)
