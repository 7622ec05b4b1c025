"""Cut the power everywhere: ``python -m tests.powercut.campaign --images 100000 --jobs 2``.

Exit code 1 if one image lost an acknowledged fact, was not consistent or did not open as it was; or if the control (the
same with ``synchronous=NORMAL``) lost nothing, because then the experiment proves nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Mapping
from multiprocessing.queues import SimpleQueue
from typing import Final

import apsw

from tests.powercut.script import AS_SHIPPED, NOT_DURABLE, OFTEN_CHECKPOINTED, record
from tests.powercut.verdict import Verdict, cut_everywhere

VARIANTS: Final[Mapping[str, tuple[Mapping[str, str], float]]] = {
    "as shipped": (AS_SHIPPED, 0.5),
    "checkpointed often": (OFTEN_CHECKPOINTED, 0.5),
    "control: NORMAL": (NOT_DURABLE, 0.0),
}
CONTROL: Final = "control: NORMAL"
CONTROL_IMAGES: Final = 500
PROGRESS_EVERY_S: Final = 2.0

Tally = dict[str, Counter[Verdict]]


def tally_of(images: int, seed: int, news: SimpleQueue[int] | None = None) -> Tally:
    """Return the verdicts on ``images`` images of the real settings and on the control's, by variant."""

    def told(verdicts: Counter[Verdict]) -> None:
        if news is not None and verdicts.total() % 50 == 0:
            news.put(50)

    found: Tally = {}
    for name, (replaced, share) in VARIANTS.items():
        count = CONTROL_IMAGES if name == CONTROL else max(1, round(images * share))
        found[name] = cut_everywhere(record(replaced), count, seed, told=told)
    return found


def failures_of(found: Tally) -> list[str]:
    """Return what is wrong, in words; empty where the journal held."""
    wrong = [
        f"{name}: {count} images {verdict.value}"
        for name, verdicts in found.items()
        for verdict, count in verdicts.items()
        if name != CONTROL and verdict is not Verdict.SOUND
    ]
    if not found[CONTROL][Verdict.LOST]:
        wrong.append(f"{CONTROL}: lost nothing in {found[CONTROL].total()} images, so the experiment proves nothing")
    return wrong


def table_of(found: Tally) -> str:
    """Return the summary for people."""
    lines = [f"{'variant':<20}" + f"{'images':>9}" + "".join(f"{each.value:>10}" for each in Verdict)]
    for name, verdicts in found.items():
        lines.append(f"{name:<20}{verdicts.total():>9,}" + "".join(f"{verdicts[each]:>10,}" for each in Verdict))
    return "\n".join(lines)


def _work(images: int, seed: int, news: SimpleQueue[int], results: SimpleQueue[Tally]) -> None:
    results.put(tally_of(images, seed, news))
    news.put(0)


def _follow(news: SimpleQueue[int], workers: list[multiprocessing.Process], expected: int) -> None:
    began_s = said_s = time.monotonic()
    done, running = 0, len(workers)
    while running:
        if news.empty():
            if not any(worker.is_alive() for worker in workers) and news.empty():
                return
            time.sleep(0.1)
            continue
        step = news.get()
        done += step
        running -= step == 0
        now_s = time.monotonic()
        if now_s - said_s >= PROGRESS_EVERY_S:
            said_s = now_s
            rate = done / (now_s - began_s)
            left_s = max(0.0, (expected - done) / rate) if rate else 0.0
            share_pct = min(100.0, 100 * done / expected)
            print(f"{done:>9,} images  {share_pct:5.1f} %  {rate:7,.0f}/s  {left_s:5.0f} s left", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.powercut.campaign", description="Cut the power everywhere.")
    parser.add_argument("--images", type=int, default=100_000, help="images of the settings as shipped (100000)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (1)")
    options = parser.parse_args(arguments)
    jobs = max(1, options.jobs)
    print(f"journal written by SQLite {apsw.sqlite_lib_version()} through a recording VFS,", end=" ")
    print(f"images opened by SQLite {sqlite3.sqlite_version}; seed {options.seed}", flush=True)
    news: SimpleQueue[int] = multiprocessing.SimpleQueue()
    results: SimpleQueue[Tally] = multiprocessing.SimpleQueue()
    share = -(-options.images // jobs)
    workers = [
        multiprocessing.Process(target=_work, args=(share, options.seed * 1000 + job, news, results))
        for job in range(jobs)
    ]
    for worker in workers:
        worker.start()
    _follow(news, workers, jobs * (share + CONTROL_IMAGES))
    found: Tally = {name: Counter() for name in VARIANTS}
    reports = 0
    while not results.empty():
        reports += 1
        for name, verdicts in results.get().items():
            found[name].update(verdicts)
    for worker in workers:
        worker.join()
    print(table_of(found))
    wrong = failures_of(found)
    if reports < jobs:
        wrong.append(f"{jobs - reports} of {jobs} processes ended without a report")
    for each in wrong:
        print(f"FAILED: {each}")
    if not wrong:
        print("No acknowledged fact was lost, and every file opened as it was.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
