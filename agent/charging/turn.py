"""One turn of the core: one input, handled at one moment, and the effects that it has."""

from __future__ import annotations

import msgspec

from agent.model.effects import Effect, Notice
from agent.model.ids import IdToken
from agent.model.moment import Stamp


class Turn(msgspec.Struct, kw_only=True):
    """The moment of one input and the effects gathered so far, in order."""

    now: Stamp
    effects: list[Effect] = msgspec.field(default_factory=list)

    @property
    def now_s(self) -> float:
        """Return the monotonic time of this turn, s."""
        return self.now.mono_s

    def add(self, *effects: Effect) -> None:
        """Append effects."""
        self.effects.extend(effects)

    def note(
        self,
        event: str,
        evse_id: int | None = None,
        *,
        level: str = "info",
        token: IdToken | None = None,
        **fields: str | int | float | bool | None,
    ) -> None:
        """Append a log line; a token is written as its hash only."""
        if token is not None:
            fields["token"] = token.hashed()
        self.effects.append(Notice(event=event, evse_id=evse_id, level=level, fields=fields))
