"""Reads the bench's trace and the CSMS's record as they grow, and prints them as one timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from hil.demo_frames import Frame, frame_key
from hil.demo_story import Seen, Story
from hil.house import House
from hil.timeline import Timeline

POLL_S: Final = 0.15
SETTLE_S: Final = 0.15
"""What is younger waits for the next turn: an answer of the CSMS is then told together with its call."""
OVERLAP_S: Final = 2.0
"""So far back each question reaches: the bench may write down a thing of its own a moment later."""


class Feed:
    """Keeps everything that it read (``trace``, ``frames``) until `forget`, for the verdict and the picture."""

    def __init__(self, house: House, story: Story, timeline: Timeline, say: Callable[[str], None]) -> None:
        self.trace: list[Seen] = []
        self.frames: list[Frame] = []
        self.keeps = True
        self._house = house
        self._story = story
        self._timeline = timeline
        self._say = say
        self._recent: set[tuple[float, str, str]] = set()
        self._asked_s = float("-inf")
        self._last_seq = 0
        self._young: list[Seen | Frame] = []
        self._turn = asyncio.Lock()

    async def follow(self) -> None:
        """Print what happens until cancelled. Raises ``BenchError`` or ``CsmsUnreachable`` when one of both is gone."""
        while True:
            await self.catch_up()
            await asyncio.sleep(POLL_S)

    async def catch_up(self, *, all_of_it: bool = False) -> None:
        """Print what is new and settled, or everything that is new."""
        async with self._turn:
            now_s = await self._read()
            old, self._young = _settled(self._young, float("inf") if all_of_it else now_s - SETTLE_S)
            seen = [each for each in old if isinstance(each, tuple)]
            frames = [each for each in old if not isinstance(each, tuple)]
            for entry in self._story.tell(seen, frames):
                for line in self._timeline.lines(entry):
                    self._say(line)

    async def take_in(self) -> None:
        """Take what happened so far as known, without printing it."""
        async with self._turn:
            await self._read()
            young, self._young = self._young, []
            seen = [each for each in young if isinstance(each, tuple)]
            self._story.tell(seen, [each for each in young if not isinstance(each, tuple)])

    def forget(self) -> None:
        """Drop what was kept, and keep nothing from now on."""
        self.keeps = False
        self.trace.clear()
        self.frames.clear()

    async def _read(self) -> float:
        """Fetch what is new from both; return the bench's time."""
        since_s = None if self._asked_s == float("-inf") else self._asked_s - OVERLAP_S
        answer = await self._house.bench.call("trace", since_s=since_s, limit=100_000)
        fresh: list[Seen] = []
        recent: set[tuple[float, str, str]] = set()
        for at_s, signal, value in answer["entries"]:
            key = (float(at_s), str(signal), str(value))
            recent.add(key)
            if key not in self._recent:
                fresh.append((float(at_s), str(signal), value))
        self._recent, self._asked_s = recent, float(answer["now_s"])
        told: dict[str, Any] = await self._house.csms.ask("messages", since=self._last_seq)
        self._last_seq = int(told["last_seq"])
        self._young += [*fresh, *told["frames"]]
        if self.keeps:
            self.trace += fresh
            self.frames += told["frames"]
        return self._asked_s


def _settled(young: list[Seen | Frame], until_s: float) -> tuple[list[Seen | Frame], list[Seen | Frame]]:
    """Return what is old enough to be told, together with the answers to the calls in it, and what is not."""
    old = [each for each in young if _time(each) <= until_s]
    called = {frame_key(each) for each in old if not isinstance(each, tuple) and each["kind"] == "call"}
    rest: list[Seen | Frame] = []
    for each in young:
        if _time(each) > until_s:
            answers = not isinstance(each, tuple) and each["kind"] in ("result", "error") and frame_key(each) in called
            (old if answers else rest).append(each)
    return old, rest


def _time(each: Seen | Frame) -> float:
    return float(each[0] if isinstance(each, tuple) else each["at_s"])
