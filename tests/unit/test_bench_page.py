"""The shared page: layout, consistency, refusal of what is no page."""

from __future__ import annotations

import math
import struct
import threading
from pathlib import Path

import pytest

from drivers.bench.wire import MessageBuffer, PageReader, PageWriter, PilotSample, WireError, check_socket_path, encode


def sample(number: float) -> PilotSample:
    return PilotSample(high_v=number, low_v=-number, proximity_ohm=number * 2, taken_ns=int(number))


def test_a_reader_sees_what_the_writer_wrote(tmp_path: Path) -> None:
    writer = PageWriter(tmp_path / "page", evse_count=2, line_count=3)
    reader = PageReader(tmp_path / "page")
    assert reader.pilot(0) is None
    writer.set_pilot(1, PilotSample(high_v=8.98, low_v=-12.0, proximity_ohm=math.inf, taken_ns=7))
    writer.set_level(2, True)
    writer.beat(123)
    assert reader.pilot(1) == PilotSample(high_v=8.98, low_v=-12.0, proximity_ohm=math.inf, taken_ns=7)
    assert [reader.level(index) for index in range(3)] == [False, False, True]
    assert reader.heartbeat_ns() == 123
    reader.close()
    writer.close()


def test_a_sample_that_is_being_written_is_never_returned(tmp_path: Path) -> None:
    writer = PageWriter(tmp_path / "page", evse_count=1, line_count=1)
    reader = PageReader(tmp_path / "page")
    writer.set_pilot(0, sample(1.0))
    with (tmp_path / "page").open("r+b") as raw:
        raw.seek(8 * 8)
        (sequence,) = struct.unpack("=Q", raw.read(8))
        raw.seek(8 * 8)
        raw.write(struct.pack("=Q", sequence + 1))
    assert reader.pilot(0) is None
    writer.set_pilot(0, sample(2.0))
    assert reader.pilot(0) == sample(2.0)


def test_a_torn_sample_fails_its_check(tmp_path: Path) -> None:
    writer = PageWriter(tmp_path / "page", evse_count=1, line_count=1)
    reader = PageReader(tmp_path / "page")
    writer.set_pilot(0, sample(1.0))
    with (tmp_path / "page").open("r+b") as raw:
        raw.seek(8 * 9)
        raw.write(struct.pack("=d", 5.0))
    assert reader.pilot(0) is None


def test_samples_read_beside_a_busy_writer_are_whole(tmp_path: Path) -> None:
    writer = PageWriter(tmp_path / "page", evse_count=1, line_count=1)
    reader = PageReader(tmp_path / "page")
    writer.set_pilot(0, sample(1.0))

    def write() -> None:
        for number in range(1, 5000):
            writer.set_pilot(0, sample(float(number)))

    thread = threading.Thread(target=write)
    thread.start()
    seen = [reader.pilot(0) for _ in range(5000)]
    thread.join()
    for each in seen:
        assert each is None or each == sample(each.high_v)
    assert reader.pilot(0) == sample(4999.0)


def test_a_file_that_is_no_page_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x")
    (tmp_path / "zeros").write_bytes(bytes(200))
    with pytest.raises(WireError, match="has 1 bytes, expected at least 64"):
        PageReader(tmp_path / "short")
    with pytest.raises(WireError, match="has magic 0x0"):
        PageReader(tmp_path / "zeros")


def test_messages_are_cut_at_line_ends() -> None:
    buffer = MessageBuffer()
    assert buffer.feed(encode({"a": 1})[:3]) == []
    assert buffer.feed(encode({"a": 1})[3:] + encode({"b": 2})) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("chunk", [b"nonsense\n", b"[1]\n", b"x" * 70_000])
def test_a_message_that_is_no_object_is_refused(chunk: bytes) -> None:
    with pytest.raises(WireError):
        MessageBuffer().feed(chunk)


def test_a_socket_path_that_the_kernel_refuses_is_said_with_its_length() -> None:
    with pytest.raises(WireError, match="has 120 bytes, the kernel allows 107"):
        check_socket_path("/" + "x" * 119)
