"""Long work whose order may be replaced by a newer one at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Superseded(Exception):
    """Another request has taken the place of the one that is carried out."""


async def until_replaced(work: Coroutine[object, object, None], replaced: asyncio.Event) -> None:
    """Carry out ``work`` to its end, or until ``replaced`` is set: it is cancelled then, and has ended on return.

    Raises:
        Superseded: as ``work`` raises it, like everything else that it raises.
    """
    doing = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(replaced.wait())
    try:
        await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        for each in (doing, waiting):
            each.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)
