"""The socket's lock: moves, pulses, retries, and what is never done; the heartbeat line."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.guard.cable_lock import MOVES_MAX, MOVES_S, CableLock, LockSettings
from agent.guard.heartbeat import Heartbeat
from agent.guard.wire import LockState

PULSED = LockSettings(pulsed=True, pulse_s=0.6, break_s=1.0)
HELD = LockSettings()
SCAN_S = 0.02


class Bolt:
    """A lock and its motor: it follows its lines after 0.3 s of drive, unless it is jammed."""

    def __init__(self, kind: LockSettings = PULSED, *, feedback: bool = True, at: bool = False) -> None:
        self.kind = kind
        self.now_s = 100.0
        self.lock = CableLock(has_lock=True, has_feedback=feedback, now_s=self.now_s, settings=kind)
        self.locked: bool | None = at
        self.jammed = False
        self.needed = False
        self.may_release = True
        self.moves: list[tuple[float, bool]] = []
        self._way: bool | None = None if kind.pulsed else True
        self._way_s = self.now_s

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s - 1e-6:
            self.now_s = round(self.now_s + SCAN_S, 6)
            lock = self.lock
            lock.step(locked=self.locked, needed=self.needed, may_release=self.may_release, now_s=self.now_s)
            assert not (lock.drive and lock.drive_back), "never both ways at once"
            self._follow(self._driven())

    def _driven(self) -> bool | None:
        if not self.kind.pulsed:
            return self.lock.drive
        return True if self.lock.drive else False if self.lock.drive_back else None

    def _follow(self, way: bool | None) -> None:
        if way is not self._way:
            self._way, self._way_s = way, self.now_s
            if way is not None:
                self.moves.append((self.now_s, way))
        if way is not None and not self.jammed and self.now_s - self._way_s >= 0.3 and self.locked is not None:
            self.locked = way


@pytest.mark.parametrize("kind", [HELD, PULSED])
def test_it_locks_at_the_start_and_is_confirmed(kind: LockSettings) -> None:
    bolt = Bolt(kind)
    assert not bolt.lock.secure
    bolt.run(1.0)
    assert (bolt.lock.state, bolt.lock.secure, bolt.lock.failed) == (LockState.LOCKED, True, False)


def test_a_pulse_has_its_length_and_then_both_lines_are_off() -> None:
    bolt = Bolt()
    bolt.run(SCAN_S)
    assert bolt.lock.drive
    bolt.run(0.56)
    assert bolt.lock.drive, "also when the switch has said yes"
    bolt.run(0.06)
    assert not bolt.lock.drive
    bolt.run(120.0)
    assert len(bolt.moves) == 1


def test_a_lock_that_is_where_it_should_be_is_not_moved() -> None:
    bolt = Bolt(at=True)
    bolt.run(10.0)
    assert bolt.moves == []
    assert bolt.lock.secure


@pytest.mark.parametrize("kind", [HELD, PULSED])
def test_it_is_not_released_before_the_contactor_is_confirmed_open(kind: LockSettings) -> None:
    bolt = Bolt(kind)
    bolt.run(3.0)
    bolt.may_release = False
    bolt.lock.held = False
    bolt.run(30.0)
    assert bolt.locked
    assert bolt.lock.secure
    bolt.may_release = True
    bolt.run(3.0)
    assert bolt.locked is False
    assert bolt.lock.state is LockState.UNLOCKED
    assert not bolt.lock.secure


def test_a_change_of_mind_cuts_the_pulse_and_leaves_the_break() -> None:
    bolt = Bolt()
    bolt.run(0.2)
    bolt.lock.held = False
    bolt.run(SCAN_S)
    assert not bolt.lock.drive
    cut_s = bolt.now_s
    bolt.run(2.0)
    assert bolt.moves == [(100.02, True)], "it had not moved yet, and is where it should be"
    bolt.lock.held = True
    bolt.run(2.0)
    assert bolt.moves[1][0] >= cut_s + PULSED.break_s


def test_a_jammed_lock_is_tried_again_is_a_fault_and_recovers() -> None:
    bolt = Bolt()
    bolt.jammed = True
    bolt.run(2.9)
    assert len(bolt.moves) == 2
    assert not bolt.lock.failed
    bolt.run(0.2)
    assert bolt.lock.failed
    bolt.run(20.0)
    assert 4 <= len(bolt.moves) <= 6
    bolt.jammed = False
    bolt.run(8.0)
    assert (bolt.lock.failed, bolt.lock.secure) == (False, True)


@pytest.mark.parametrize("kind", [HELD, PULSED])
def test_a_lock_that_opens_by_itself_is_a_fault_at_once(kind: LockSettings) -> None:
    bolt = Bolt(kind)
    bolt.run(3.0)
    bolt.jammed, bolt.locked = True, False
    bolt.run(SCAN_S)
    assert (bolt.lock.failed, bolt.lock.secure) == (True, False)
    bolt.jammed = False
    bolt.run(10.0)
    assert (bolt.lock.failed, bolt.lock.secure) == (False, True)


def test_a_switch_that_cannot_be_read_is_not_locked_and_only_later_a_fault() -> None:
    bolt = Bolt()
    bolt.run(3.0)
    bolt.locked = None
    bolt.run(SCAN_S)
    assert (bolt.lock.state, bolt.lock.failed, bolt.lock.secure) == (LockState.UNKNOWN, False, False)
    bolt.run(4.0)
    assert bolt.lock.failed


@pytest.mark.parametrize("kind", [HELD, PULSED])
def test_without_a_switch_it_is_believed_after_its_time(kind: LockSettings) -> None:
    bolt = Bolt(kind, feedback=False)
    bolt.run(0.5)
    assert not bolt.lock.secure
    bolt.run(0.2)
    assert bolt.lock.secure
    bolt.run(60.0)
    bolt.lock.held = False
    bolt.run(SCAN_S)
    assert bolt.lock.state is LockState.UNKNOWN
    bolt.run(2.0)
    assert bolt.lock.state is LockState.UNLOCKED
    assert len(bolt.moves) <= 2


def test_a_pulse_that_was_cut_short_is_no_proof_without_a_switch() -> None:
    bolt = Bolt(feedback=False)
    bolt.run(0.2)
    bolt.lock.held = False
    bolt.run(SCAN_S)
    bolt.lock.held = True
    bolt.run(0.9)
    assert not bolt.lock.secure
    bolt.run(1.0)
    assert bolt.lock.secure
    assert [way for _, way in bolt.moves] == [True, True]


def test_there_may_be_no_lock() -> None:
    lock = CableLock(has_lock=False, has_feedback=False, now_s=0.0)
    lock.step(locked=None, needed=True, may_release=True, now_s=1.0)
    assert (lock.secure, lock.state, lock.limits(1.0)) == (True, LockState.NONE, ((None, 0.0),))


def most_in_a_minute(moves: list[tuple[float, bool]]) -> int:
    return max((sum(at_s <= other_s < at_s + MOVES_S for other_s, _ in moves) for at_s, _ in moves), default=0)


@settings(max_examples=25, deadline=None)
@given(
    pulsed=st.booleans(),
    script=st.lists(
        st.tuples(st.sampled_from([0.1, 0.7, 1.5, 4.0, 20.0]), st.booleans(), st.booleans(), st.booleans()),
        min_size=2,
        max_size=12,
    ),
)
def test_whatever_is_asked_it_moves_ten_times_a_minute_at_most(
    pulsed: bool, script: list[tuple[float, bool, bool, bool]]
) -> None:
    bolt = Bolt(PULSED if pulsed else HELD)
    for for_s, held, jammed, torn in script:
        bolt.lock.held, bolt.jammed = held, jammed
        if torn:
            bolt.locked = not bolt.locked
        bolt.run(for_s)
    assert most_in_a_minute(bolt.moves) <= MOVES_MAX
    bolt.lock.held, bolt.jammed = True, False
    bolt.run(MOVES_S + 15.0)
    assert bolt.lock.secure, "in the end it locks"


@pytest.mark.parametrize("kind", [HELD, PULSED])
def test_a_move_that_waits_for_the_count_is_no_fault_of_the_lock(kind: LockSettings) -> None:
    bolt = Bolt(kind)
    while len(bolt.moves) < MOVES_MAX:
        bolt.lock.held = not bolt.lock.held
        bolt.run(2.0)
    bolt.run(2.0)
    bolt.lock.held = not bolt.lock.held
    while len(bolt.moves) == MOVES_MAX:
        bolt.run(0.2)
        assert not bolt.lock.failed
    bolt.run(1.0)
    assert (bolt.locked, bolt.lock.failed) == (bolt.lock.held, False)
    assert most_in_a_minute(bolt.moves) <= MOVES_MAX


def test_a_jammed_lock_without_moves_left_is_a_fault_all_the_same() -> None:
    bolt = Bolt()
    while len(bolt.moves) < MOVES_MAX - 1:
        bolt.lock.held = not bolt.lock.held
        bolt.run(2.0)
    bolt.jammed, bolt.lock.held = True, not bolt.lock.held
    bolt.run(4.0)
    assert (len(bolt.moves), bolt.lock.failed) == (MOVES_MAX, True)


def test_locking_under_an_unconfirmed_contactor_never_waits_for_the_count() -> None:
    bolt = Bolt(HELD)
    for _ in range(MOVES_MAX + 3):
        bolt.lock.held = not bolt.lock.held
        bolt.run(0.4)
    bolt.lock.held = False
    bolt.run(1.0)
    bolt.may_release = False
    bolt.run(1.0)
    assert bolt.lock.secure


# ---- the heartbeat ---------------------------------------------------------------------------------------------------


def test_the_line_toggles_twice_a_period_while_every_scan_is_in_time() -> None:
    beat = Heartbeat(0.1)
    changes = [0.01 * scan for scan in range(1, 1001) if beat.step(0.01 * scan, healthy=True)]
    assert 195 <= len(changes) <= 205
    assert max(later - earlier for earlier, later in itertools.pairwise(changes)) < 0.0701


def test_an_unhealthy_scan_puts_it_off_and_a_dead_guard_leaves_it_as_it_is() -> None:
    beat = Heartbeat(0.1)
    assert beat.step(1.0, healthy=True)
    level = beat.level
    assert not any(beat.step(1.0 + 0.01 * scan, healthy=False) for scan in range(1, 200))
    assert beat.level is level
    assert beat.step(4.0, healthy=True)
    assert not beat.step(4.01, healthy=True), "what was missed is not made up for"
