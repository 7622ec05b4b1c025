"""The card reader contract over a pseudo-terminal, for every serial reader."""

from __future__ import annotations

import asyncio
import os
import time
import tty
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.api import CardRead, CardReader, DriverKind, DriverUnavailable
from drivers.registry import check_options, find, open_driver
from hil.reader_faces import READER_FACES, ReaderFace


@dataclass(frozen=True)
class Family:
    """A driver, the bench's reader of the same family, and two cards for it."""

    driver: str
    face: str
    uid: str = "04A1B2C3D4E5F6"
    other: str = "DEADBEEF"
    options: dict[str, object] = field(default_factory=dict)


FAMILIES = (
    Family("rdm6300", "rdm6300", "2900DEB30A", "01001293D8"),
    Family("line", "line"),
    Family("wiegand-serial", "line", "A1B2C3D4", "01020304"),
    Family("pn532", "pn532", options={"poll_ms": 50}),
    Family("twn4", "twn4", options={"poll_ms": 50}),
)


class Desk:
    """A reader, the far end of its wire, and a bench's reader there."""

    def __init__(self, reader: CardReader, family: Family, link: Path) -> None:
        self.reader = reader
        self.family = family
        self.link = link
        self.face: ReaderFace = READER_FACES[family.face]()
        self.card: str | None = None
        self.master, self.slave = _wire(link)
        self._listen()

    def present(self, uid: str) -> None:
        self.card = uid
        if said := self.face.lay(uid):
            os.write(self.master, said)

    def noise(self, noise: bytes) -> None:
        os.write(self.master, noise)

    def unplug(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        self.link.unlink()
        os.close(self.master)
        os.close(self.slave)

    def plug_in_again(self) -> None:
        self.face = READER_FACES[self.family.face]()
        self.card = None
        self.master, self.slave = _wire(self.link)
        self._listen()

    async def opened(self) -> asyncio.Task[CardRead]:
        """Wait for a card, and return when the port is open."""
        waiting = asyncio.ensure_future(self.reader.next_card())
        target = os.readlink(self.link)
        while target not in _open_files():
            await asyncio.sleep(0)
        return waiting

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        os.close(self.slave)

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self.master, self._hear)

    def _hear(self) -> None:
        try:
            heard = os.read(self.master, 4096)
        except OSError:  # nobody has the other end open
            return
        if answer := self.face.hear(heard, self.card):
            os.write(self.master, answer)


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


@pytest.fixture(params=FAMILIES, ids=lambda family: family.driver)
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    family: Family = request.param
    link = tmp_path / "reader"
    spec = find(DriverKind.READER, family.driver)
    given = {"port": str(link), "hold_off_s": 0.3, "absence_s": 0.1, **family.options}
    options, problems = check_options(spec, given)
    assert problems == []
    made = Desk(open_driver(spec.target, options), family, link)
    yield made
    await made.reader.close()
    made.close()


async def test_a_card_is_reported_with_its_id_and_time(desk: Desk) -> None:
    waiting = await desk.opened()
    before_s = time.monotonic()
    desk.present(desk.family.uid)
    card = await waiting
    assert card.uid == desk.family.uid
    assert before_s <= card.taken_s <= time.monotonic()
    assert card.raw
    assert card.random is False


async def test_a_card_that_stays_is_reported_once_and_another_at_once(desk: Desk) -> None:
    waiting = await desk.opened()
    for _ in range(5):
        desk.present(desk.family.uid)
    first = await waiting
    desk.present(desk.family.other)
    second = await desk.reader.next_card()
    assert (first.uid, second.uid) == (desk.family.uid, desk.family.other)


async def test_noise_is_no_card(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.noise(bytes(range(256)) + b"\r")
    desk.present(desk.family.other)
    assert (await waiting).uid == desk.family.other


async def test_a_card_that_was_presented_before_anybody_asked_is_kept(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.present(desk.family.uid)
    await waiting
    desk.present(desk.family.other)
    assert (await desk.reader.next_card()).uid == desk.family.other


async def test_a_reader_that_is_pulled_out_says_so_and_comes_back_by_itself(desk: Desk) -> None:
    waiting = await desk.opened()
    desk.unplug()
    with pytest.raises(DriverUnavailable, match="is gone"):
        await waiting
    desk.plug_in_again()
    waiting = await desk.opened()
    desk.present(desk.family.uid)
    assert (await waiting).uid == desk.family.uid


async def test_a_port_that_is_not_there_is_unavailable(desk: Desk) -> None:
    desk.unplug()
    with pytest.raises(DriverUnavailable, match=r"cannot be opened: No such file or directory$"):
        await desk.reader.next_card()
    desk.plug_in_again()
    waiting = await desk.opened()
    desk.present(desk.family.uid)
    assert (await waiting).uid == desk.family.uid


async def test_a_port_in_use_is_unavailable(desk: Desk) -> None:
    waiting = await desk.opened()
    second = open_driver(find(DriverKind.READER, desk.family.driver).target, {"port": str(desk.link)})
    with pytest.raises(DriverUnavailable):
        await second.next_card()
    waiting.cancel()


async def test_closing_ends_the_wait(desk: Desk) -> None:
    waiting = await desk.opened()
    await desk.reader.close()
    with pytest.raises(DriverUnavailable, match="was closed"):
        await waiting
