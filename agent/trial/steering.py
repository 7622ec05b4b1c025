"""The other end of the holder: start it, hand on what it says, answer its questions, and see it to its end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from agent.trial.findings import Finding, from_content

END_S: Final = 10.0  # a controller takes 2.5 s to take its last order; house rule
Answer = Callable[[str], bool | None]


class Lost(Exception):
    """The holder ended without having made everything safe, as far as we know; the text says what it said."""


def hold_and_check(
    plan: Path,
    order: Mapping[str, Any],
    *,
    found: Callable[[Finding], None],
    say: Callable[[str], None],
    answer: Answer,
    command: Sequence[str] = (sys.executable, "-m", "agent.trial.holder"),
) -> None:
    """Run the holder on ``plan`` until it is done; whatever happens here, it ends and makes its outputs safe.

    Raises:
        Lost: it could not begin, or it died; the outputs were then written safe once more by a process of their own.
    """
    holder = subprocess.Popen(
        [*command, str(plan)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    done = False
    try:
        _tell(holder.stdin, order)
        for line in holder.stdout:
            content = json.loads(line)
            if "found" in content:
                found(from_content(content["found"]))
            elif "say" in content:
                say(content["say"])
            elif "ask" in content:
                _tell(holder.stdin, {"answer": answer(content["ask"])})
            done = content.get("done", done)
    finally:
        said = _end(holder)
        if holder.returncode < 0:
            _write_safe(plan)
    if holder.returncode == 0 and done:
        return
    raise Lost(_why(holder.returncode, said))


def _tell(pipe: IO[bytes], content: Mapping[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has ended: its exit code says why
        pipe.write(json.dumps(content).encode() + b"\n")
        pipe.flush()


def _end(holder: subprocess.Popen[bytes]) -> str:
    """Close its input, which it takes for the end, and wait; kill it only when it does not end."""
    assert holder.stdin is not None
    assert holder.stderr is not None
    with contextlib.suppress(BrokenPipeError):
        holder.stdin.close()
    try:
        holder.wait(END_S)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.wait()
    assert holder.stdout is not None
    holder.stdout.close()
    with holder.stderr as errors:
        return errors.read().decode(errors="replace")


def _write_safe(plan: Path) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-m", "agent.guard", str(plan), "--outputs-safe"], check=False, timeout=END_S)


def _why(code: int, said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if code < 0:
        return f"the test's process was killed by signal {-code}; the outputs were written safe afterwards"
    return f"the test's process ended with {code}: {last}"
