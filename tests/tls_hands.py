"""Handshakes of TLS in memory, without sockets: what a client and a server agree on."""

from __future__ import annotations

import ssl


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Let both sides come to an agreement; return the client's and the server's. Raises the ``ssl.SSLError`` of who
    refuses first, the client's where both do."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting, refused = [ours, theirs], None
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                if side is ours or refused is not None:
                    raise
                refused = error  # its alert is on the way: what the client makes of it is of interest
                waiting.remove(side)
                continue
            waiting.remove(side)
        if not waiting:
            break
    if refused is not None:
        raise refused
    assert not waiting, "the handshake does not end"
    return ours, theirs
