"""The verbs about what lies outside the station: the network to the CSMS, and the CSMS's own script and ledger."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hil.control import Kind, Parameter, Verb, Verbs
from hil.csms_link import CsmsLink
from hil.net import Net, NetMode, Target

if TYPE_CHECKING:
    from hil.server import Bench

_NOBODY: Final = Target(host="127.0.0.1", port=9)
CSMS_SOCKET: Final = "csms.sock"
CSMS_PORT: Final = "csms.port"
NET_PORT: Final = "net.port"


class Road(Net):
    """The network from the station to a CSMS: the one it was told, else the one that left its port in a file."""

    def __init__(self, port_file: Path, target: str | None, *, listen_port: int) -> None:
        """Lead to ``target`` (HOST:PORT), or to the port in ``port_file`` of this machine, read at each connection."""
        self._port_file = port_file
        super().__init__(_NOBODY, listen_port=listen_port)
        self._told = None if target is None else _parsed(target)

    @property
    def target(self) -> Target:
        """Where the next connection leads."""
        if self._told is not None:
            return self._told
        try:
            return Target(host="127.0.0.1", port=int(self._port_file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return _NOBODY  # no CSMS yet: connections are reset

    @target.setter
    def target(self, target: Target) -> None:
        self._told = None if target == _NOBODY else target


class OutsideVerbs:
    """The verbs' bodies. The station reaches its CSMS through ``net``, whose near port stays the same."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        options = bench.options
        self._csms_socket = Path(options.get("csms_socket", bench.directory / CSMS_SOCKET))
        self.net = Road(bench.directory / CSMS_PORT, options.get("csms"), listen_port=int(options.get("net_port", "0")))

    async def start(self) -> None:
        """Open the near end of the network and write its port to ``DIR/net.port``."""
        await self.net.__aenter__()
        (self._bench.directory / NET_PORT).write_text(f"{self.net.port}\n", encoding="utf-8")
        self._bench.record("net", self.net.mode.value)

    async def close(self) -> None:
        """Close the network."""
        await self.net.__aexit__(None, None, None)
        (self._bench.directory / NET_PORT).unlink(missing_ok=True)

    async def set_net(self, *, mode: str, delay_ms: float | None, forget: bool) -> dict[str, Any]:
        """Change the network."""
        if delay_ms is not None:
            self.net.delay_s = delay_ms / 1000.0
        await self.net.set_mode(NetMode(mode), forget=forget)
        self._bench.record("net", mode)
        return self.net.snapshot()

    async def net_target(self, *, port: int, host: str) -> dict[str, Any]:
        """Lead the network elsewhere."""
        self.net.target = Target(host=host, port=port)
        return self.net.snapshot()

    async def csms(self, *, ask: str, arguments: dict[str, Any]) -> Any:
        """Ask the CSMS."""
        async with CsmsLink(self._csms_socket) as link:
            return await link.ask(ask, **arguments)


def register(verbs: Verbs, body: OutsideVerbs | type[OutsideVerbs]) -> None:
    """Add the verbs; with the class itself as ``body`` they can be described but not run."""
    mode = Parameter(
        name="mode", kind=Kind.TEXT, help="down refuses, half_open swallows", positional=True,
        choices=tuple(mode.value for mode in NetMode),
    )  # fmt: skip
    delay = Parameter(
        name="delay_ms", kind=Kind.NUMBER, help="one way; left out: as it is", default=None, unit="ms", minimum=0,
        maximum=60_000,
    )  # fmt: skip
    forget = Parameter(name="forget", kind=Kind.BOOL, help="half-open connections stay dead when up", default=False)
    port = Parameter(name="port", kind=Kind.INT, help="TCP port", minimum=1, maximum=65535, positional=True)
    host = Parameter(name="host", kind=Kind.TEXT, help="name or address", default="127.0.0.1")
    ask = Parameter(
        name="ask", kind=Kind.TEXT, positional=True, help="verb of the CSMS: script, ledger, messages, call, state ..."
    )
    arguments = Parameter(name="arguments", kind=Kind.OBJECT, help="its arguments", default={}, positional=True)
    for name, summary, parameters in (
        ("net", "let the network to the CSMS work, refuse, or swallow", (mode, delay, forget)),
        ("net_target", "lead the network to another CSMS", (port, host)),
        ("csms", "ask the bench's CSMS something, its script for example", (ask, arguments)),
    ):
        run = getattr(body, {"net": "set_net"}.get(name, name))
        verbs.add(Verb(name=name, summary=summary, parameters=parameters, run=run))


def _parsed(text: str) -> Target:
    match = re.fullmatch(r"\[?([^\]]+?)\]?:(\d+)", text)
    if match is None:
        raise ValueError(f"option csms is {text!r}, expected HOST:PORT")
    return Target(host=match[1], port=int(match[2]))
