"""The bus that the guard owns: who goes first, and what happens when too many ask."""

from __future__ import annotations

import threading
from collections.abc import Callable

from agent.guard.bus import WAITING_MAX, Bus, Rank
from agent.guard.plan import Target
from agent.guard.wire import BusAnswer, BusRead

asked: list[int] = []
entered, go_on = threading.Event(), threading.Event()


def open_slow_bus() -> Callable[[int, int, int, int], list[int]]:
    def read(unit: int, function: int, address: int, count: int) -> list[int]:
        asked.append(address)
        entered.set()
        assert go_on.wait(10.0)
        return [address] * count

    return read


def request(address: int) -> BusRead:
    return BusRead(request_id=address, bus="b", unit=1, function=4, address=address, count=1)


def test_the_controller_goes_first_and_a_full_queue_is_refused() -> None:
    asked.clear()
    bus = Bus("b", Target(target=f"{__name__}:open_slow_bus", options={}))
    assert bus.submit(request(0), asker=5) is None
    assert entered.wait(10.0)
    refusals = [bus.submit(request(1 + n), asker=5) for n in range(WAITING_MAX - 1)]
    assert bus.submit(request(100), asker=0, rank=Rank.CONTROLLER) is None
    refused = bus.submit(request(200), asker=5)
    assert refusals == [None] * (WAITING_MAX - 1)
    assert refused is not None
    assert refused.error == f"bus 'b' has {WAITING_MAX} requests waiting already"
    go_on.set()
    answers: list[tuple[int, BusAnswer]] = []
    while len(answers) < WAITING_MAX + 1:
        answers += bus.take_answers()
    assert asked == [0, 100, *range(1, WAITING_MAX)]
    assert [asker for asker, _ in answers] == [5, 0] + [5] * (WAITING_MAX - 1)
    assert all(answer.registers == (answer.request_id,) for _, answer in answers)


def test_a_bus_without_a_driver_answers_with_the_reason() -> None:
    bus = Bus("b", Target(target="agent.guard.no_such_room:open", options={}))
    bus.submit(request(1), asker=5)
    answers: list[tuple[int, BusAnswer]] = []
    while not answers:
        answers = bus.take_answers()
    assert answers[0][1].error is not None
    assert "cannot be imported" in answers[0][1].error
