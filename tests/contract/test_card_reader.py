"""The card reader contract over a pseudo-terminal, for every serial reader."""

from __future__ import annotations

import asyncio
import os
import re
import time
import tty
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.api import CardReader, DriverKind, DriverUnavailable
from drivers.registry import check_options, find, open_driver

UID = "2900DEB30A"
OTHER_UID = "01001293D8"


def _rdm6300_frame(uid: str) -> bytes:
    checksum = 0
    for byte in bytes.fromhex(uid):
        checksum ^= byte
    return b"\x02" + f"{uid}{checksum:02X}".encode() + b"\x03"


FRAME_OF: dict[str, Callable[[str], bytes]] = {"rdm6300": _rdm6300_frame}


@dataclass
class Desk:
    """A reader, the far end of its wire, and what a card on it sends."""

    reader: CardReader
    master: int
    slave: int
    link: Path
    frame_of: Callable[[str], bytes]

    def present(self, uid: str) -> None:
        os.write(self.master, self.frame_of(uid))

    def noise(self, noise: bytes) -> None:
        os.write(self.master, noise)

    def unplug(self) -> None:
        self.link.unlink()
        os.close(self.master)
        os.close(self.slave)

    def plug_in_again(self) -> None:
        self.master, self.slave = _wire(self.link)

    async def opened(self) -> asyncio.Task[object]:
        """Wait for a card, and return when the port is open."""
        waiting: asyncio.Task[object] = asyncio.ensure_future(self.reader.next_card())
        target = os.readlink(self.link)
        while target not in _open_files():
            await asyncio.sleep(0)
        return waiting


def _open_files() -> list[str]:
    # Our own end of the wire is open all the time; the reader's is the second one.
    names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)]
    return [name for name in names if names.count(name) > 1]


def _is_open(fd: str) -> bool:
    return os.path.islink(f"/proc/self/fd/{fd}")


def _wire(link: Path) -> tuple[int, int]:
    master, slave = os.openpty()
    tty.setraw(slave)
    link.symlink_to(os.ttyname(slave))
    return master, slave


@pytest.fixture(params=list(FRAME_OF))
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    link = tmp_path / "reader"
    master, slave = _wire(link)
    spec = find(DriverKind.READER, request.param)
    options, problems = check_options(spec, {"port": str(link), "hold_off_s": 0.3, "absence_s": 0.1})
    assert problems == []
    made = Desk(open_driver(spec.target, options), master, slave, link, FRAME_OF[request.param])
    yield made
    await made.reader.close()
    os.close(made.master)
    os.close(made.slave)


async def test_a_card_is_reported_with_its_id_and_time(desk: Desk) -> None:
    waiting = await desk.opened()
    before_s = time.monotonic()
    desk.present(UID)
    card = await waiting
    assert card.uid == UID  # type: ignore[attr-defined]  # a CardRead
    assert re.fullmatch("[0-9A-F]+", UID)
    assert before_s <= card.taken_s <= time.monotonic()  # type: ignore[attr-defined]


async def test_a_card_that_stays_is_reported_once_and_another_at_once(desk: Desk) -> None:
    waiting = await desk.opened()
    for _ in range(5):
        desk.present(UID)
    desk.present(OTHER_UID)
    first, second = await waiting, await desk.reader.next_card()
    assert (first.uid, second.uid) == (UID, OTHER_UID)  # type: ignore[attr-defined]


async def test_noise_and_half_frames_are_no_card(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.noise(bytes(range(256)) + desk.frame_of(UID)[:7])
    desk.present(OTHER_UID)
    assert (await waiting).uid == OTHER_UID  # type: ignore[attr-defined]


async def test_a_card_that_was_presented_before_anybody_asked_is_kept(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.present(UID)
    await waiting
    desk.present(OTHER_UID)
    assert (await desk.reader.next_card()).uid == OTHER_UID


async def test_a_reader_that_is_pulled_out_says_so_and_comes_back_by_itself(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.unplug()
    with pytest.raises(DriverUnavailable, match="is gone"):
        await waiting
    desk.plug_in_again()
    waiting = await desk.opened()
    desk.present(UID)
    assert (await waiting).uid == UID  # type: ignore[attr-defined]


async def test_a_port_that_is_not_there_is_unavailable(desk: Desk) -> None:
    desk.unplug()
    with pytest.raises(DriverUnavailable, match="cannot be opened"):
        await desk.reader.next_card()
    desk.plug_in_again()
    waiting = await desk.opened()
    desk.present(UID)
    assert (await waiting).uid == UID  # type: ignore[attr-defined]


async def test_a_port_in_use_is_unavailable(desk: Desk) -> None:
    waiting = await desk.opened()
    second = open_driver(find(DriverKind.READER, "rdm6300").target, {"port": str(desk.link)})
    with pytest.raises(DriverUnavailable):
        await second.next_card()
    waiting.cancel()


async def test_closing_ends_the_wait(desk: Desk) -> None:
    waiting = await desk.opened()
    await desk.reader.close()
    with pytest.raises(DriverUnavailable, match="was closed"):
        await waiting
