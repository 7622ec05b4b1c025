"""A process that commits and says so, to be killed: ``python -m tests.unit.store_writer DIRECTORY FIRST_NUMBER``."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.model.effects import Record, SaveTransaction
from tests.unit.store_examples import opened, record, updated


def main() -> None:
    """Commit for ever, one line with the number after each commit."""
    store = opened(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        store.commit([Record(fact=updated(number)), SaveTransaction(record=record(next_seq_no=number + 1))])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main()
