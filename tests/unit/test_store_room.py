"""A full disk costs periodic samples first: starts and ends are never given up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.charging.station import Station
from agent.clock import Clock
from agent.model.commands import AnyOutcome
from agent.model.effects import Record
from agent.model.facts import MetersSampled, TransactionEnded, TransactionStarted
from agent.model.ids import IdToken
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout, StationLayout
from agent.model.variables import VariableBook
from agent.runtime.core_loop import CoreLoop
from agent.runtime.room import LOOK_EVERY_S, Room
from agent.store import Counts, FailureKind, Sizes, Store, StoreFailure, StoreThread
from tests.unit.store_examples import BOOT, ended, journal_path, started, updated


class Source:
    """A clock source without a time of day."""

    def utc_s(self) -> float | None:
        return None

    def boot_id(self) -> str:
        return BOOT


class Disk:
    """Storage as it looks on a disk that is as full as a test says; ``now_s`` is its time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.short = False
        self.free_in_file, self.free_on_disk = 0, 0
        self.waiting = 10_000
        self.thinned: list[int] = []
        self.probes = 0

    async def sizes(self) -> Sizes:
        file_bytes = 1_000_000 + self.free_in_file
        return Sizes(file_bytes=file_bytes, wal_bytes=0, used_bytes=1_000_000, disk_free_bytes=self.free_on_disk)

    async def counts(self) -> Counts:
        return Counts(waiting=self.waiting, dead=0, oldest_age_s=None)

    async def thin(self, max_rows: int) -> int:
        self.thinned.append(max_rows)
        given_up, self.waiting = self.waiting - max_rows, max_rows
        return given_up

    async def probe(self) -> None:
        self.probes += 1
        self.short = False

    def room(self) -> Room:
        return Room(self, Clock(Source(), monotonic=lambda: self.now_s))


async def test_a_store_that_has_its_reserve_is_left_alone() -> None:
    disk = Disk()
    await disk.room().after_commit()
    assert disk.thinned == []


async def test_samples_are_thinned_while_the_reserve_is_gone_and_the_file_has_no_free_pages() -> None:
    disk = Disk()
    room = disk.room()
    disk.short = True
    await room.after_commit()
    assert disk.thinned == [7_500]
    await room.after_commit()
    assert disk.thinned == [7_500], "it does not look again at every commit"
    disk.now_s += LOOK_EVERY_S
    disk.free_in_file = 200_000
    await room.after_commit()
    assert disk.thinned == [7_500], "the file has room for a while"
    disk.now_s += LOOK_EVERY_S
    disk.free_on_disk = 32_000_000
    await room.after_commit()
    assert (disk.thinned, disk.probes) == ([7_500], 1), "the disk has room again: the reserve comes back"


@pytest.mark.parametrize(("kind", "made"), [(FailureKind.FULL, True), (FailureKind.IO, False)])
async def test_only_a_full_disk_costs_samples(kind: FailureKind, made: bool) -> None:
    disk = Disk()
    assert await disk.room().after_failure(StoreFailure(kind, "no")) is made
    assert bool(disk.thinned) is made


@pytest.mark.req("OCPP 2.0.1 E04")
def test_samples_of_no_transaction_go_first_and_starts_and_ends_never(tmp_path: Path) -> None:
    store, _ = Store.open(journal_path(tmp_path), boot_id=BOOT, mono_s=lambda: 1000.0)
    store.commit([Record(fact=started())])
    for number in range(1, 11):
        store.commit([Record(fact=updated(number)), Record(fact=idle(number))])
    store.commit([Record(fact=ended(11))])
    store.thin(18)
    left = [row.fact for row in store.queue(100)]
    assert sum(isinstance(fact, MetersSampled) for fact in left) == 6
    assert len(left) == 18
    store.thin(0)
    assert [type(row.fact) for row in store.queue(100)] == [TransactionStarted, TransactionEnded]
    store.close()


def idle(number: int) -> MetersSampled:
    return MetersSampled(
        evse_id=1, connector_id=1, at=Stamp(boot_id=BOOT, mono_s=60.0 * number), samples=updated(number).samples
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 2 MiB; skips where this user may not mount one."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(directory)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


class Nobody:
    """A CSMS that nobody looks at."""

    def outcome(self, command_id: int, outcome: AnyOutcome) -> None: ...
    def authorize(self, request_id: int, token: IdToken) -> None: ...
    def views_changed(self) -> None: ...
    def facts_waiting(self) -> None: ...


def core_of(storage: StoreThread, clock: Clock) -> CoreLoop:
    layout = StationLayout(evses=(EvseLayout(evse_id=1),), readers={})
    book = VariableBook(STANDARD_VARIABLES, presets={})
    nothing: Any = lambda *_: None  # noqa: E731
    return CoreLoop(
        station=Station(layout, book, new_id=lambda: "id", boot_id=BOOT),
        storage=storage,
        clock=clock,
        desks=(),
        csms=Nobody(),
        perform_permit=nothing,
        ask_reading=nothing,
        restart=nothing,
        tick=nothing,
    )


@pytest.mark.req("OCPP 2.0.1 E04")
async def test_on_a_full_disk_samples_make_room_for_the_next_end_and_start(small_disk: Path) -> None:
    now_s = 100.0
    (small_disk / "journal.sqlite.reserve").write_bytes(bytes(512 * 1024))
    (small_disk / "filler").write_bytes(bytes(900_000))
    clock = Clock(Source(), monotonic=lambda: now_s)
    store, _ = await StoreThread.open(journal_path(small_disk), boot_id=BOOT, mono_s=lambda: now_s)
    try:
        core = core_of(store, clock)
        await core.restore([Record(fact=started())])
        for number in range(0, 1_600, 20):
            await core.restore([Record(fact=updated(each)) for each in range(number, number + 20)])
            now_s += LOOK_EVERY_S
        await core.restore([Record(fact=ended(1_600)), Record(fact=started("t2"))])
        facts: Sequence[object] = [row.fact for row in await store.queue(10_000)]
    finally:
        await store.close()
    assert isinstance(facts[0], TransactionStarted)
    assert isinstance(facts[-2], TransactionEnded)
    assert facts[-1] == started("t2")
    assert 100 < len(facts) < 1_600, "samples in between were given up, and not all of them"
