"""Look into the journal while no agent runs, without touching the file itself."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.store.connection import holder_of
from agent.store.failures import FailureKind, StoreFailure, failure_of_os
from agent.store.store import Store


@contextmanager
def read_copy(
    path: Path,
    *,
    boot_id: str = "",
    utc_s: float | None = None,
    damaged: Callable[[str], None] = lambda _text: None,
) -> Iterator[Store]:
    """Copy the journal at ``path`` with its log to a temporary directory and open the copy.

    What the copy is told is lost with it. With an agent running, ask the agent instead.

    Args:
        boot_id, utc_s: which boot this is and what time of day, as the station's clock says; they make ages known.
        damaged: told what is wrong with the journal, where what can be read of it is not all that it held.

    Raises:
        StoreFailure: a process holds the file, it is not there, or it cannot be copied.
    """
    holder = holder_of(path)
    if holder is not None:
        raise StoreFailure(FailureKind.LOCKED, f"{path} is held by {holder}: ask the running agent instead")
    with tempfile.TemporaryDirectory(prefix="charge-agent-") as directory:
        copy = Path(directory, path.name)
        try:
            shutil.copyfile(path, copy)
            for suffix in ("-wal", ".rebuilt"):
                beside = path.with_name(path.name + suffix)
                if beside.exists():
                    shutil.copyfile(beside, copy.with_name(copy.name + suffix))
        except OSError as error:
            raise failure_of_os(error, path) from error
        store, report = Store.open(copy, boot_id=boot_id or _boot_id())
        if report.salvage is not None:
            damaged(f"{report.salvage.why}; {sum(report.salvage.rows.values())} rows can be read")
        try:
            if utc_s is not None:
                store.commit(anchor_utc_minus_mono_s=utc_s - time.monotonic())
            yield store
        finally:
            store.close()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
