"""RDM6300 frames in a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid.frames import Rdm6300Frames

CARDS = ("01001293D8", "0100CDA4EC", "2900DEB30A")
FRAMES = (b"\x0201001293D858\x03", b"\x020100CDA4EC84\x03", b"\x022900DEB30A4E\x03")


def frame_of(uid: str) -> bytes:
    checksum = 0
    for byte in bytes.fromhex(uid):
        checksum ^= byte
    return b"\x02" + uid.encode() + f"{checksum:02X}".encode() + b"\x03"


@pytest.mark.parametrize(("frame", "uid"), list(zip(FRAMES, CARDS, strict=True)))
def test_known_cards_are_read(frame: bytes, uid: str) -> None:
    assert Rdm6300Frames().feed(frame) == [uid]
    assert frame_of(uid) == frame


def test_small_letters_mean_the_same_card() -> None:
    assert Rdm6300Frames().feed(FRAMES[1].lower()) == ["0100CDA4EC"]


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_frame_may_come_in_two_halves(cut: int) -> None:
    frames = Rdm6300Frames()
    assert frames.feed(FRAMES[0][:cut]) == []
    assert frames.feed(FRAMES[0][cut:]) == ["01001293D8"]


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_torn_frame_does_not_hide_the_whole_one_behind_it(cut: int) -> None:
    assert Rdm6300Frames().feed(FRAMES[0][:cut] + FRAMES[1]) == ["0100CDA4EC"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x0201001293D859\x03",  # checksum
        b"\x0201001293D858\x04",  # end
        b"\x020100129XD858\x03",  # digit
        b"\x02000000000000\x03",  # no tag
        b"\x02FFFFFFFFFFFF\x03",
    ],
)
def test_a_wrong_frame_is_no_card(wrong: bytes) -> None:
    frames = Rdm6300Frames()
    assert frames.feed(wrong) == []
    assert frames.feed(FRAMES[2]) == ["2900DEB30A"]


@given(st.binary(max_size=60), st.sampled_from(CARDS))
def test_a_card_is_read_after_any_garbage_that_is_no_card(garbage: bytes, uid: str) -> None:
    frames = Rdm6300Frames()
    before = frames.feed(garbage)
    after = frames.feed(frame_of(uid))
    assert after[-1:] == [uid]
    assert all(len(each) == 10 for each in before)


@given(st.lists(st.binary(max_size=20), max_size=30))
def test_any_stream_in_any_pieces_gives_the_same_cards(pieces: list[bytes]) -> None:
    whole, parts = Rdm6300Frames(), Rdm6300Frames()
    stream = b"".join(pieces)
    assert whole.feed(stream) == [uid for piece in pieces for uid in parts.feed(piece)]


@given(st.binary(max_size=3000))
def test_the_parser_keeps_less_than_a_frame(stream: bytes) -> None:
    frames = Rdm6300Frames()
    frames.feed(stream)
    assert len(frames._buffer) < 14
