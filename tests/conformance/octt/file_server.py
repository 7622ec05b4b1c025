"""A file server on the loopback interface, in the case's own loop: gives files and takes uploads over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.conformance.octt.csms_side import SOCKET_S
from tests.conformance.octt.virtual_time import VirtualLoop


@dataclass(slots=True, kw_only=True)
class FileServer:
    """Files by path, and what was uploaded by path; ``refuse``: everything is answered 500."""

    files: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    refuse: bool = False
    port: int = 0

    def url(self, path: str = "/") -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            verb, path, _ = first.split(" ")
            headers = {name.casefold(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self._body(reader, headers)
            status, content = self._answer(verb, path.partition("?")[0], body)
            length = f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            writer.write(f"HTTP/1.1 {status}\r\n{length}".encode() + (content if verb != "HEAD" else b""))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").casefold() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body

    def _answer(self, verb: str, path: str, body: bytes) -> tuple[str, bytes]:
        if self.refuse:
            return "500 Internal Server Error", b""
        if verb in ("PUT", "POST"):
            self.uploads[path] = body
            return "201 Created", b""
        if path not in self.files:
            return "404 Not Found", b""
        return "200 OK", self.files[path]


@asynccontextmanager
async def file_server(**files: bytes) -> AsyncIterator[FileServer]:
    """Serve ``files`` at their names; from now on time waits for sockets."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.socket_s = SOCKET_S
    served = FileServer(files={f"/{name}": content for name, content in files.items()})
    server = await asyncio.start_server(served._serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    async with server:
        yield served
