"""The door's client, synchronous: what the command line uses. Standard library only, so that it answers at once."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

TIMEOUT_S: Final = 5.0


class NobodyHome(Exception):
    """No agent listens at the socket."""


class Unanswered(Exception):
    """The agent listens but refused the question or did not answer it; the text says why."""


def ask(path: Path, question: str, **fields: Any) -> dict[str, Any]:
    """Ask the running agent.

    Args:
        path: the agent's socket.
        question: ``status``, ``queue`` or ``why``.

    Raises:
        NobodyHome: no agent runs there.
        Unanswered: it did not answer the question.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_S)
        try:
            link.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise NobodyHome(f"no agent listens at {path}") from error
        except PermissionError as error:
            raise Unanswered(f"{path}: permission denied; run as root or as a member of the station's group") from error
        except OSError as error:
            raise Unanswered(f"{path} cannot be asked: {error}") from error
        try:
            link.sendall(json.dumps({"ask": question, **fields}).encode() + b"\n")
            with link.makefile("rb") as lines:
                line = lines.readline()
        except TimeoutError as error:
            raise Unanswered(f"the agent at {path} did not answer within {TIMEOUT_S:.0f} s") from error
        except OSError as error:
            raise Unanswered(f"the agent at {path} hung up: {error}") from error
    if not line.endswith(b"\n"):
        raise Unanswered(f"the agent at {path} hung up")
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Unanswered(f"what listens at {path} is no agent: its answer is not JSON")
    result = answer.get("result")
    if not answer.get("ok") or not isinstance(result, dict):
        raise Unanswered(str(answer.get("error", "no reason given")))
    return result
