"""RAUC's object on the system bus, with the optional package dbus-fast (``pip install charge-agent[rauc]``).

Source: RAUC reference, "D-Bus API"; D-Bus specification, org.freedesktop.DBus; RAUC 1.8 of Debian 12 as it runs
(``tests/process/test_real_rauc.py``).
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
_BUS_PATH: Final = "/org/freedesktop/DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_BUSY: Final = "already processing"
"""Of the error that RAUC 1.8 answers to whatever it is asked while it installs; the error's name is that of any."""
_SIGNALS: Final = (
    f"type='signal',sender='{SERVICE}',interface='{INTERFACE}',member='Completed'",
    f"type='signal',sender='{_BUS}',interface='{_BUS}',member='NameOwnerChanged',arg0='{SERVICE}'",
)


class RaucBusy(DriverError):
    """RAUC does something else and takes this when it has finished."""


class SystemBus:
    """See the module's text; made by ``open``."""

    def __init__(self, library: Any, bus: Any) -> None:
        self._library = library
        self._bus = bus
        self._results: asyncio.Queue[int | None] = asyncio.Queue()  # None: RAUC has ended
        self._installing: Any = None  # the call that began it
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
        for rule in _SIGNALS:
            await opened._call(_BUS, _BUS_PATH, _BUS, "AddMatch", "s", rule)
        return opened

    async def get(self, name: str) -> Any:
        """Return a property."""
        reply = await self._call(SERVICE, _PATH, _PROPERTIES, "Get", "ss", INTERFACE, name)
        return reply[0].value

    async def install(self, bundle: str) -> None:
        """Begin an installation. Raises ``RaucBusy``: one is under way, perhaps another's."""
        await self._call(SERVICE, _PATH, INTERFACE, "InstallBundle", "sa{sv}", bundle, {})

    async def mark(self, state: str, slot: str) -> None:
        """Mark a slot."""
        await self._call(SERVICE, _PATH, INTERFACE, "Mark", "ss", state, slot)

    async def completed(self) -> int:
        """Wait for the end of the installation that was begun; return its result, 0 for success.

        Raises:
            DriverUnavailable: RAUC or the bus ended in the middle.
        """
        said = asyncio.ensure_future(self._results.get())
        gone = asyncio.ensure_future(self._bus.wait_for_disconnect())
        try:
            await asyncio.wait((said, gone), return_when=asyncio.FIRST_COMPLETED)
            result = said.result() if said.done() else None
        finally:
            said.cancel()
            gone.cancel()
            await asyncio.gather(said, gone, return_exceptions=True)
        if result is None:
            raise DriverUnavailable("RAUC ended in the middle of the installation")
        return result

    async def close(self) -> None:
        """Leave the bus."""
        self._bus.disconnect()

    def _heard(self, message: Any) -> bool:
        """Note how an installation ends. What came before RAUC took ours was another's."""
        begun = self._installing
        if begun is not None and message.reply_serial == begun.serial and message.reply_serial:
            while not self._results.empty():
                self._results.get_nowait()
        elif message.interface == INTERFACE and message.member == "Completed" and message.body:
            self._results.put_nowait(int(message.body[0]))
        elif message.interface == _BUS and message.member == "NameOwnerChanged" and not message.body[2]:
            self._results.put_nowait(None)
        return False

    async def _call(self, to: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        message = self._library.Message(
            destination=to, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        if member == "InstallBundle":
            self._installing = message
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._bus.call(message)
        except (OSError, TimeoutError, EOFError) as error:
            raise DriverUnavailable(f"{to} does not answer {member}") from error
        if reply.message_type is self._library.MessageType.ERROR:
            why = str(reply.body[0] if reply.body else reply.error_name)
            raise (RaucBusy if _BUSY in why.lower() else DriverError)(f"{member}: {why}")
        return reply.body
