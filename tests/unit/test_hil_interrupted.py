"""Ctrl-C ends a question to the bench as a shell expects it, without a traceback."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from hil.cli import main


def test_a_question_that_is_interrupted_ends_with_130_and_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as bench:
        bench.bind(str(tmp_path / "bench.sock"))
        bench.listen()

        def press_ctrl_c_when_asked() -> None:
            asked, _ = bench.accept()
            with asked:
                asked.recv(4096)
                os.kill(os.getpid(), signal.SIGINT)
                asked.recv(1)  # until the other side hangs up

        finger = threading.Thread(target=press_ctrl_c_when_asked, daemon=True)
        finger.start()
        assert main(["--dir", str(tmp_path), "wait", "evse1.plugged", "==", "true"]) == 130
        finger.join(timeout=5.0)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
