"""The bus that the guard owns: who goes first, and what happens when too many ask."""

from __future__ import annotations

import threading
import time

import pytest

from agent.guard.bus import WAITING_MAX, Bus
from agent.guard.plan import Target
from agent.guard.wire import BusAnswer, BusRead
from drivers.api.controllers import RegisterLine


class Line:
    """A line whose reads wait for ``go_on``; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.closed = False

    def read_registers(self, unit: int, function: int, address: int, count: int) -> list[int]:
        self.asked.append(address)
        self.entered.set()
        assert self.go_on.wait(10.0)
        return [address] * count

    def close(self) -> None:
        self.closed = True


LINES: list[Line] = []


def open_line() -> Line:
    return LINES[-1]


@pytest.fixture
def line() -> Line:
    LINES.append(Line())
    return LINES[-1]


def bus_on(target: str = f"{__name__}:open_line") -> Bus:
    return Bus("b", Target(target=target, options={}))


def request(address: int) -> BusRead:
    return BusRead(request_id=address, bus="b", unit=1, function=4, address=address, count=1)


def answers_of(bus: Bus, count: int) -> list[tuple[int, BusAnswer]]:
    answers: list[tuple[int, BusAnswer]] = []
    deadline_s = time.monotonic() + 10.0
    while len(answers) < count and time.monotonic() < deadline_s:
        answers += bus.take_answers()
    return answers


def test_a_full_queue_is_refused_and_the_rest_is_served_in_order(line: Line) -> None:
    bus = bus_on()
    assert bus.submit(request(0), asker=5) is None
    assert line.entered.wait(10.0)
    refusals = [bus.submit(request(1 + n), asker=5) for n in range(WAITING_MAX)]
    refused = bus.submit(request(200), asker=5)
    assert refusals == [None] * WAITING_MAX
    assert refused is not None
    assert refused.error == f"bus 'b' has {WAITING_MAX} requests waiting already"
    line.go_on.set()
    answers = answers_of(bus, WAITING_MAX + 1)
    bus.close()
    assert line.asked == list(range(WAITING_MAX + 1))
    assert all(answer.registers == (answer.request_id,) and asker == 5 for asker, answer in answers)
    assert line.closed


def test_an_order_goes_before_every_waiting_read_and_looks_leave_every_other_turn_to_reads(line: Line) -> None:
    bus = bus_on()
    bus.submit(request(0), asker=5)
    assert line.entered.wait(10.0)
    for address in (1, 2, 3):
        bus.submit(request(address), asker=5)

    def turn(_: RegisterLine) -> float:
        line.asked.append("controller")
        return 0.0 if line.asked.count("controller") < 3 else 60.0

    wake = bus.attach(turn)
    line.go_on.set()
    answers_of(bus, 4)
    assert line.asked == [0, "controller", 1, "controller", 2, "controller", 3]
    wake()
    deadline_s = time.monotonic() + 10.0
    while line.asked.count("controller") < 4 and time.monotonic() < deadline_s:
        time.sleep(0)
    bus.close()
    assert line.asked[-1] == "controller"


def test_a_bus_without_a_driver_answers_with_the_reason() -> None:
    bus = bus_on("agent.guard.no_such_room:open")
    bus.submit(request(1), asker=5)
    (_, answer), *_ = answers_of(bus, 1)
    bus.close()
    assert answer.error is not None
    assert "cannot be imported" in answer.error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bus_whose_thread_died_of_a_defect_ends_the_guard(line: Line) -> None:
    def turn(_: RegisterLine) -> float:
        raise ArithmeticError("a defect in a driver")

    bus = bus_on()
    bus.attach(turn)
    with pytest.raises(RuntimeError, match="thread of bus 'b' has ended"):
        answers_of(bus, 1)
