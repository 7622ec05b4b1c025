"""``python -m bench [NAME ...] [--quick]``: run the benchmarks and print their tables."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from bench.progress import say
from bench.tables import Verdict, verdict_table

BENCHES: Final[Mapping[str, str]] = {
    "start": "bench.start:run",
    "footprint": "bench.footprint:run",
    "reaction": "bench.reaction:run",
    "interlock": "bench.interlock:run",
    "scan": "bench.scan:run",
    "meters": "bench.meters:run",
    "journal": "bench.journal_bench:run",
    "codec": "bench.codec:run",
    "drain": "bench.drain:run_drain",
    "exchange": "bench.drain:run_exchange",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is named, or everything; return 0 whatever was measured, because a benchmark is no test."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, against baselines in the same run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="tiny counts: whether it runs, not how fast")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"{unknown[0]!r} is not one of {', '.join(BENCHES)}")
    # An installed agent has its byte code; this clone shall have it too.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f} before")
    verdicts: list[Verdict] = []
    for name in options.names or BENCHES:
        begin_s = time.monotonic()
        module, _, function = BENCHES[name].partition(":")
        outcome = getattr(importlib.import_module(module), function)(quick=options.quick)
        say()
        print(f"\n{outcome.table}\n  ({name}: {time.monotonic() - begin_s:.0f} s)", flush=True)
        verdicts += outcome.verdicts
    if verdicts:
        print(f"\n{verdict_table(verdicts)}")
    if options.quick:
        print("quick: too few for any verdict")
    return 0


if __name__ == "__main__":
    sys.exit(main())
