"""A minimal charge point on the package ``ocpp``. ``python -m bench.peers.ocpp_client URL [ROOT_FILE]``."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


async def main(url: str, root: str | None) -> None:
    """Boot, then send a heartbeat every 300 s."""
    tls = None if root is None else ssl.create_default_context(cafile=root)
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], ssl=tls) as link:
        station: Any = ChargePoint("BENCH-1", link)  # type: ignore[no-untyped-call]
        receiving = asyncio.create_task(station.start())
        boot = call.BootNotification(charge_point_vendor="Bench", charge_point_model="Minimal")
        answer = await station.call(boot)
        while not receiving.done():
            await asyncio.sleep(answer.interval)
            await station.call(call.Heartbeat())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
