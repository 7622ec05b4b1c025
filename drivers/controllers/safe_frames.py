"""Writes that need no answer, as ready-made frames for the program that makes outputs safe without an interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api.safe import SafeAction, SafeSerial, SafeTcp
from drivers.controllers import modbus_frames as frames


def to_bus(options: Mapping[str, Any], unit: int, requests: Sequence[frames.Request]) -> SafeAction:
    """Return the action that sends ``requests`` to ``unit``.

    Args:
        options: of the bus: ``port``, ``baud``, ``parity``, ``stopbits`` of a serial line, or ``host``, ``tcp_port``.
    """
    if "host" in options:
        sent = tuple(frames.to_tcp(number, unit, request) for number, request in enumerate(requests, 1))
        return SafeTcp(host=options["host"], port=options["tcp_port"], frames=sent)
    return SafeSerial(
        port=options["port"],
        baud=options["baud"],
        parity=options["parity"],
        stopbits=options["stopbits"],
        frames=tuple(frames.to_rtu(unit, request) for request in requests),
    )
