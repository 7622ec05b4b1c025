"""What the command line says where there is nothing sound to ask: a damaged journal, a socket of somebody else."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from agent.cli import main
from agent.console.knock import Unanswered, ask
from tests.scenario.secured_world import STATION

CSMS = 'url = "wss://csms.example/"\n'


@pytest.mark.parametrize("question", ["queue", "cdr"])
def test_a_journal_that_cannot_be_read_is_not_passed_off_as_an_empty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], question: str
) -> None:
    (tmp_path / "station.toml").write_text(STATION.format(csms=CSMS))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").write_bytes(bytes(range(1, 251)) * 40)
    main([question, "--config", str(tmp_path / "station.toml")])
    assert "The journal is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("said", [b'{"ok": tru\n', b"[]\n", b'{"ok": true, "result": 5}\n', b"[" * 100_000 + b"\n"])
def test_a_socket_that_is_not_an_agents_is_said_to_be_none(tmp_path: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "agent.sock"))
        server.listen(1)

        def answer() -> None:
            with server.accept()[0] as guest:
                guest.recv(1000)
                guest.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(Unanswered):
            ask(tmp_path / "agent.sock", "status")
        answering.join()
