"""The floor: ``websockets`` and msgspec, nothing else. ``python -m bench.peers.bare_client URL [ROOT_FILE]``."""

from __future__ import annotations

import asyncio
import ssl
import sys

import msgspec
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


class Boot(msgspec.Struct, rename="camel"):
    """A BootNotification."""

    charge_point_vendor: str
    charge_point_model: str


async def main(url: str, root: str | None) -> None:
    """Boot, then stay connected and take what comes."""
    tls = None if root is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls is not None:
        tls.load_verify_locations(cafile=root)
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], compression=None, proxy=None, ssl=tls) as link:
        boot = Boot(charge_point_vendor="Bench", charge_point_model="Bare")
        await link.send(msgspec.json.encode((2, "1", "BootNotification", boot)).decode())
        async for text in link:
            msgspec.json.decode(text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
