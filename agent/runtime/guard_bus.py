"""A serial bus that belongs to the guard, as a way to a meter's registers."""

from __future__ import annotations

import asyncio

from agent.runtime.guard_link import GuardLink
from drivers.api import DriverTimeout, RegisterKind


class GuardBus:
    """``drivers.api.RegisterBus`` over the guard's socket: the controller's own traffic goes first over there."""

    def __init__(self, guard: GuardLink, bus: str) -> None:
        self._guard = guard
        self._bus = bus

    async def read_registers(
        self, *, unit: int, kind: RegisterKind, address: int, count: int, timeout_s: float = 1.0
    ) -> tuple[int, ...]:
        """Read through the guard. Raises ``DriverError``."""
        try:
            async with asyncio.timeout(max(timeout_s, 1.0)):
                return await self._guard.read_registers(self._bus, unit, kind.value, address, count)
        except TimeoutError as error:
            raise DriverTimeout(f"bus {self._bus}: no answer from unit {unit} within {timeout_s} s") from error

    async def close(self) -> None:
        """Nothing to release: the port is the guard's."""
