"""RAUC's object on the system bus, with the optional package dbus-fast (``pip install charge-agent[rauc]``).

Unverified against a running RAUC. Source: RAUC reference, "D-Bus API"; D-Bus specification, org.freedesktop.DBus.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from drivers.api import DriverError, DriverUnavailable

SERVICE: Final = "de.pengutronix.rauc"
INTERFACE: Final = "de.pengutronix.rauc.Installer"
ANSWER_S: Final = 30.0
_PATH: Final = "/"
_BUS: Final = "org.freedesktop.DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"


class SystemBus:
    """See the module's text; made by ``open``."""

    def __init__(self, library: Any, bus: Any) -> None:
        self._library = library
        self._bus = bus
        self._results: asyncio.Queue[int] = asyncio.Queue()
        bus.add_message_handler(self._heard)

    @classmethod
    async def open(cls) -> SystemBus:
        """Connect. Raises ``DriverUnavailable``: no package, no bus, no RAUC."""
        try:
            import dbus_fast
            from dbus_fast.aio import MessageBus
        except ImportError as error:
            raise DriverUnavailable("RAUC needs the package dbus-fast, which is not installed") from error
        try:
            async with asyncio.timeout(ANSWER_S):
                bus = await MessageBus(bus_type=dbus_fast.BusType.SYSTEM).connect()
        except (OSError, TimeoutError, dbus_fast.errors.DBusError, EOFError) as error:
            raise DriverUnavailable(f"the system bus cannot be reached: {error or 'no answer'}") from error
        opened = cls(dbus_fast, bus)
        rule = f"type='signal',sender='{SERVICE}',interface='{INTERFACE}',member='Completed'"
        await opened._call(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule
        )
        return opened

    async def get(self, name: str) -> Any:
        """Return a property."""
        reply = await self._call(SERVICE, _PATH, _PROPERTIES, "Get", "ss", INTERFACE, name)
        return reply[0].value

    async def install(self, bundle: str) -> None:
        """Begin an installation."""
        await self._call(SERVICE, _PATH, INTERFACE, "InstallBundle", "sa{sv}", bundle, {})

    async def mark(self, state: str, slot: str) -> None:
        """Mark a slot."""
        await self._call(SERVICE, _PATH, INTERFACE, "Mark", "ss", state, slot)

    async def completed(self) -> int:
        """Wait for the end of an installation."""
        return await self._results.get()

    async def close(self) -> None:
        """Leave the bus."""
        self._bus.disconnect()

    def _heard(self, message: Any) -> bool:
        if message.interface == INTERFACE and message.member == "Completed" and message.body:
            self._results.put_nowait(int(message.body[0]))
        return False

    async def _call(self, to: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        message = self._library.Message(
            destination=to, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._bus.call(message)
        except (OSError, TimeoutError, EOFError) as error:
            raise DriverUnavailable(f"{to} does not answer {member}") from error
        if reply.message_type is self._library.MessageType.ERROR:
            raise DriverError(f"{member}: {reply.body[0] if reply.body else reply.error_name}")
        return reply.body
