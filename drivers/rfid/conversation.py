"""What a family of readers is to the driver: bytes and time in, cards and bytes out. Pure."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """A card that the reader has in its field now: its id, most significant byte first, and the bytes that said so."""

    uid: bytes
    raw: bytes


class Step(NamedTuple):
    """What one step wants done.

    Attributes:
        send: bytes for the reader.
        seen: cards, in order; the same one again and again while it stays.
        trouble: why the reader does not work, said once when that is certain; ``""``: it works again.
    """

    send: bytes = b""
    seen: tuple[Seen, ...] = ()
    trouble: str | None = None


NOTHING = Step()


class Conversation(Protocol):
    """The talk with one reader, from the opening of its port on. Never raises, whatever the wire brings."""

    baud: int

    def open(self, now_s: float) -> Step:
        """The port is open; whatever was said before is forgotten."""

    def receive(self, received: bytes, now_s: float) -> Step:
        """The reader sent bytes."""

    def pass_time(self, now_s: float) -> Step:
        """``due_s`` has come."""

    def due_s(self) -> float | None:
        """Return the monotonic time at which ``pass_time`` is to be called; ``None``: only bytes matter."""
