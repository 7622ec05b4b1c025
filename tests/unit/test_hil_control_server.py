"""The control socket answers every request, whatever becomes of the verb, and always in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hil.control import Verb, Verbs
from hil.control_server import ControlServer
from hil.plain_json import DEEPEST, flaw, read_json


async def answer_to(run: Callable[[], Awaitable[Any]], path: Path) -> dict[str, Any]:
    verbs = Verbs()
    verbs.add(Verb(name="play", summary="", parameters=(), run=run))
    server = ControlServer(verbs)
    await server.start(path / "s.sock")
    reader, writer = await asyncio.open_unix_connection(path / "s.sock")
    writer.write(b'{"id": 7, "verb": "play"}\n')
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    await server.close()
    answer: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return answer


async def test_a_verb_with_a_defect_is_answered_with_what_went_wrong(tmp_path: Path) -> None:
    async def broken() -> Any:
        raise OverflowError("too big")

    answer = await answer_to(broken, tmp_path)
    assert answer == {"id": 7, "ok": False, "error": "internal error: OverflowError: too big"}


@pytest.mark.parametrize("result", [float("inf"), {1, 2}], ids=["infinite", "a set"])
async def test_a_result_that_json_cannot_say_is_answered_as_an_error(tmp_path: Path, result: Any) -> None:
    async def odd() -> Any:
        return result

    answer = await answer_to(odd, tmp_path)
    assert (answer["id"], answer["ok"]) == (7, False)
    assert answer["error"].startswith("internal error: ")


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_json_is_read_to_a_depth_and_with_finite_numbers_only() -> None:
    assert flaw(read_json(nested(DEEPEST))) is None
    for text in (nested(DEEPEST + 2), nested(100_000), '{"a": [NaN]}', "-1e999", "nonsense"):
        with pytest.raises(ValueError, match=r"deep|finite|Expecting"):
            read_json(text)
