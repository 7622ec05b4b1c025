"""A damaged journal, a full disk, a disk that became read-only: the session ends well, new ones are refused, and
afterwards everything is told."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.houses import CARD, OTHER_CARD, Stay, options, stay, world

pytestmark = pytest.mark.process

DISK_BYTES = 8 * 1024 * 1024


# ---- a damaged journal -----------------------------------------------------------------------------------------------


async def station_with_facts(house: Stay) -> Path:
    """Charge once without the CSMS and stop the station; return its journal, which holds the whole charge."""
    await house.online()
    await house.learn(CARD)
    await house.cut_off()
    await house.begin()
    await house.end(charged_s=2.0)
    await house.idle()
    await house.house.stop_station()
    return house.house.directory / "state" / "journal.sqlite"


async def test_a_journal_damaged_in_the_middle_gives_up_what_is_readable_and_is_kept() -> None:
    async with stay() as house:
        journal = await station_with_facts(house)
        size = journal.stat().st_size
        with journal.open("r+b") as file:
            file.seek(size // 2 // 4096 * 4096)
            file.write(os.urandom(4096))
        damaged = journal.read_bytes()
        await house.house.start_station()
        status = await house.until(lambda status: bool(status["store"]["recovered"]))
        kept = [each for each in journal.parent.glob("journal.sqlite*") if each.read_bytes()[: len(damaged)] == damaged]
        assert len(kept) == 1, "the damaged file is not kept"
        assert kept[0].name in status["store"]["recovered"]
        await house.house.child("agent").says("store.recovered", timeout_s=5)
        await house.bench.net(mode="up")
        await house.online()
        rows_before = len(await house.csms.transactions())
        await house.begin(OTHER_CARD)
        await house.end(OTHER_CARD, charged_s=1.0)
        await house.delivered(1)
        newest = (await house.csms.transactions())[-1]
        meter = (await house.bench.state())["evses"]["1"]["energisings"][-1]
        assert (newest["start_wh"], newest["stop_wh"]) == (meter["closed_wh"], meter["opened_wh"])
        assert len(await house.csms.transactions()) == rows_before + 1


async def test_a_journal_that_is_no_database_is_moved_aside_and_a_new_one_begun() -> None:
    async with stay() as house:
        await house.online()
        await house.house.stop_station()
        journal = house.house.directory / "state" / "journal.sqlite"
        journal.write_bytes(b"This is a text, not a database. " * 1000)
        await house.house.start_station()
        status = await house.until(lambda status: bool(status["store"]["recovered"]))
        kept = [each for each in journal.parent.iterdir() if each.name in status["store"]["recovered"]]
        assert any(each.read_bytes().startswith(b"This is a text") for each in kept)
        await house.online()
        await house.begin()
        await house.end(charged_s=1.0)
        await house.exact(1)


# ---- a disk that refuses ---------------------------------------------------------------------------------------------


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of 8 MiB at ``directory``."""
    directory.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def remount(directory: Path, how: str) -> None:
    """Make a small disk read-only or writable again. (Linux refuses the first while a file is open for writing.)"""
    subprocess.run(["mount", "-o", f"remount,{how}", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Take the last byte of a small disk, the journal's reserve included, and return the file that took it."""
    reserve = directory / "journal.sqlite.reserve"
    reserve.unlink(missing_ok=True)
    hog = directory / "hog"
    with hog.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    return hog


async def refuses_and_recovers(house: Stay, mend: Callable[[], object]) -> None:
    """From a charge whose disk has begun to fail: it ends well, the next is refused, and mended all is told."""
    failing = await house.until(lambda status: not status["store"]["ok"], timeout_s=30)
    assert "journal.sqlite" in failing["store"]["error"]
    await house.end(CARD)
    await house.until(lambda status: status["evses"][0]["occupancy"] in ("free", "faulted", "unavailable"))
    await house.plug()
    await house.plugged()
    await house.tap(OTHER_CARD)
    status = await house.until(lambda status: "no charging" in status["evses"][0]["why"])
    assert any("store_failed" in fault for fault in status["faults"])
    assert len((await house.bench.state())["evses"]["1"]["energisings"]) == 1
    screen = await house.screen("status")
    assert "STORE FAILING" in screen
    mend()
    await house.until(lambda status: status["store"]["ok"])
    await house.bench.unplug(evse=1)
    await house.exact(1)
    await house.begin(CARD)
    await house.end(CARD, charged_s=1.0)
    await house.exact(2)


async def test_a_full_disk_ends_the_session_well_refuses_the_next_and_recovers_by_itself() -> None:
    async with world(options("2.0.1")) as house:
        with small_disk(house.house.directory / "state") as disk:
            await house.house.start_station()
            await house.online()
            await house.begin()
            hog = fill(disk)
            await refuses_and_recovers(house, hog.unlink)
            await house.house.stop_station()


async def test_a_journal_that_cannot_grow_any_more_does_the_same_without_a_full_disk() -> None:
    async with stay() as house:
        await house.online()
        await house.begin()
        agent = house.house.child("agent").pid
        before = resource.prlimit(agent, resource.RLIMIT_FSIZE)
        log = house.house.child("agent").log_path.stat().st_size
        resource.prlimit(agent, resource.RLIMIT_FSIZE, (log + 65536, before[1]))
        await refuses_and_recovers(house, lambda: resource.prlimit(agent, resource.RLIMIT_FSIZE, before))


async def test_a_disk_that_is_read_only_at_a_restart_keeps_the_charge_and_is_told_when_it_is_writable_again() -> None:
    async with world() as house:
        with small_disk(house.house.directory / "state") as disk:
            await house.house.start_station()
            await house.online()
            closed_s = await house.begin()
            await house.house.kill("agent", restart=False)
            remount(disk, "ro")
            house.house.let_restart("agent")
            await house.house.until(lambda: house.house.restarts["agent"] == 1, what="the agent's restart")
            await house.house.child("agent").says("store.unusable", timeout_s=20)
            remount(disk, "rw")
            await house.online()
            await house.end()
            (row,) = await house.exact(1)
            assert row["stop_reason"] in (None, "Local")
            opened = [at_s for at_s, _, value in await house.bench.trace("evse1.load", since_s=closed_s) if not value]
            assert len(opened) == 1, "the charge was interrupted"
            await house.house.stop_station()


async def test_a_journal_that_cannot_be_opened_is_told_to_everybody_and_taken_up_when_it_can() -> None:
    async with world() as house:
        journal = house.house.directory / "state" / "journal.sqlite"
        journal.mkdir(parents=True)  # nobody can open a folder as a database
        await house.house.start_station()
        status = await house.until(
            lambda status: bool(status["csms"]["online"] and "journal.sqlite" in status["store"]["error"])
        )
        assert not status["store"]["ok"]
        assert status["faults"] == ["store_failed: " + status["store"]["error"]]
        assert status["evses"] == []
        journal.rmdir()
        await house.online()
        await house.begin()
        await house.end()
        await house.exact(1)
