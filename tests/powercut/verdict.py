"""Open what a power cut left with the real store, and judge it."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from agent.store import Opened, Store, StoreFailure
from agent.store.connection import Connection, connect
from tests.powercut.disk import Disk
from tests.powercut.script import Recording, State, state_of
from tests.unit.store_examples import BOOT, journal_path


class Verdict(Enum):
    """What an image turned out to be."""

    SOUND = "sound"
    LOST = "lost"  # something acknowledged is missing, or half of something is there
    SALVAGED = "salvaged"  # it had to be rebuilt
    ALARMED = "alarmed"  # nothing is missing, and the store says that something is
    UNSOUND = "unsound"  # it opened, but is not consistent
    UNUSABLE = "unusable"  # it did not open


def memory_directory() -> Path:
    """Return a directory in memory where the machine has one: an image's own syncs prove nothing."""
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="powercut-", dir=shared if shared.is_dir() else None))


def judge(files: Mapping[str, bytes], promised: tuple[State, ...], directory: Path) -> Verdict:
    """Open an image with the real store.

    Args:
        files: the image.
        promised: the states that are allowed; empty where nothing was promised yet.
        directory: an empty directory; emptied again.
    """
    for name, content in files.items():
        (directory / name).write_bytes(content)
    connections: list[Connection] = []

    def connecting(path: Path) -> Connection:
        connections.append(connect(path))
        return connections[-1]

    try:
        path = journal_path(directory)
        store, report = Store.open(path, boot_id=BOOT, mono_s=lambda: 0.0, lock_wait_s=0.0, connect=connecting)
        try:
            if report.outcome is Opened.RECOVERED:
                return Verdict.SALVAGED
            if connections[-1].execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return Verdict.UNSOUND
            if promised and state_of(connections[-1]) not in promised:
                return Verdict.LOST
            return Verdict.ALARMED if any("are lost" in note for note in report.notes) else Verdict.SOUND
        finally:
            store.close()
    except StoreFailure:
        return Verdict.UNUSABLE
    finally:
        for each in directory.iterdir():
            each.unlink()


def cut_everywhere(
    recording: Recording,
    images: int,
    seed: int,
    *,
    told: Callable[[Counter[Verdict]], None] = lambda _verdicts: None,
    finished: Callable[[Counter[Verdict]], bool] = lambda _verdicts: False,
) -> Counter[Verdict]:
    """Judge ``images`` images, spread evenly over every operation of the recording, in rounds.

    Args:
        recording: what was asked of the disk.
        images: how many.
        seed: of everything random.
        told: called after every image.
        finished: asked after every image whether that is enough.
    """
    chance = random.Random(seed)
    verdicts: Counter[Verdict] = Counter()
    directory = memory_directory()
    try:
        while True:
            disk = Disk()
            cuts = len(recording.operations)
            due = min(1.0, (images - verdicts.total()) / cuts)
            credit = chance.random()
            for operation in recording.operations:
                disk.follow(operation)
                credit += due
                if credit < 1.0:
                    continue
                credit -= 1.0
                now = disk.acknowledged
                promised = () if now < 0 else recording.states[now : now + 2]
                verdicts[judge(disk.image(chance), promised, directory)] += 1
                told(verdicts)
                if verdicts.total() >= images or finished(verdicts):
                    return verdicts
    finally:
        shutil.rmtree(directory)
