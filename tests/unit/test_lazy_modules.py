"""What loads after the boot notification, and that it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.lazy import lazily


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has really loaded after ``code``."""
    tail = "import sys; print(*(n for n, m in sys.modules.items() if type(m).__name__ != '_LazyModule'), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tail}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_messages_of_1_6_load_after_the_first_one() -> None:
    before = loaded_by("import agent.ocpp.v16.dialect")
    after = loaded_by("import agent.ocpp.v16.dialect, agent.lazy; agent.lazy.load_all()")
    late = {f"agent.ocpp.v16.{name}" for name in ("answers", "enums", "incoming", "messages", "outgoing", "status")}
    assert before & late == set()
    assert late <= after


def test_websockets_loads_without_what_it_never_uses_and_is_whole_afterwards() -> None:
    before = loaded_by("import agent.ocpp.transport")
    assert before & {"importlib.metadata", "urllib.request", "email.parser"} == set()
    code = "import agent.ocpp.transport, websockets.proxy, importlib.metadata, urllib.request"
    assert {"importlib.metadata", "urllib.request"} <= loaded_by(
        f"{code}; websockets.proxy.urllib.request.getproxies()"
    )


def test_a_lazy_module_that_does_not_exist_is_said_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"agent\.nothing"):
        lazily("agent.nothing")
