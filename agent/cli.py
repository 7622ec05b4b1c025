"""The command line: ``charge-agent VERB``. Here are the two processes and the parser; the verbs live in ``cli_*``.

Exit codes: 0 all is well; 1 it failed; 2 wrong usage; 69 no agent runs there; 75 (``test``) a guard or an agent runs;
78 the station file cannot be used.
Source of the numbers: sysexits(3).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from agent import __version__

if TYPE_CHECKING:
    import argparse

    from agent.settings.loaded import Loaded

PLAN_NAME: Final = "plan.json"
REFUSED_PAUSE_S: Final = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        match arguments:  # the two processes start without the parser, which takes as long as the rest of this file
            case ["run", "--config", file] if not file.startswith("-"):
                return _run(Path(file))
            case ["guard", "--config", file] if not file.startswith("-"):
                _guard(Path(file))
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        for stream in (sys.stdout, sys.stderr):  # a terminal of another alphabet shows what it can
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # not of every stream
        code = command(options)
        sys.stdout.flush()  # here, not at the interpreter's end: whoever read may have gone
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    import argparse

    from agent import cli_check, cli_copies, cli_hardware, cli_maintenance, cli_questions, cli_security
    from agent.cli_station import configured, count, socket_at
    from agent.console import book_verbs, token_verbs

    parser = argparse.ArgumentParser(
        prog="charge-agent", description="The software of an EV charging station.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"charge-agent {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, verb: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(command=verb)
        return command

    text = "run the agent: charging core, meters, card readers, OCPP"
    configured(add("run", lambda options: _run(options.config), text))
    text = "run the guard: the safety process that holds pilot and contactor"
    configured(add("guard", lambda options: _guard(options.config), text))
    cli_check.add_verbs(add)
    cli_questions.add_verbs(add)
    token_verbs.add_verbs(add, token_verbs.Surroundings(socket=socket_at, config=configured))
    book_verbs.add_verbs(add, book_verbs.Lent(socket_at, configured, count=count, copied=cli_copies.records_at))
    cli_hardware.add_verbs(add)
    cli_security.add_verbs(add)
    cli_maintenance.add_verbs(add, cli_maintenance.Lent(records=cli_copies.records_at, queue=cli_copies.queue_at))
    return parser


# ---- the two processes -----------------------------------------------------------------------------------------------


def _run(config: Path) -> int:
    import gc

    gc.disable()  # nothing becomes garbage while modules load; the application turns it on again
    import asyncio

    loaded = _load(config)
    if loaded is None:
        from agent.cli_station import EXIT_SETTINGS

        time.sleep(refused_pause_s(os.environ))
        return EXIT_SETTINGS
    from agent.app import run
    from agent.log import get_logger, set_up_logging

    set_up_logging(loaded.settings.log.level, loaded.settings.log.format.value)
    for problem in loaded.problems:
        get_logger("settings").error("settings.broken", problem=str(problem), running_on="last good copy")
    if loaded.copy_problem:
        get_logger("settings").warning("settings.copy_not_kept", why=loaded.copy_problem)
    return asyncio.run(run(loaded))


def _guard(config: Path) -> NoReturn:
    """Compile the plan in a short-lived process if it is not up to date, then become the guard."""
    plan = _plan_place(config)
    if not _plan_is_fresh(plan, config):
        import subprocess

        compiled = subprocess.run(
            [
                sys.executable, "-m", "agent.settings.compile", str(config), "--out", str(plan),
                "--check-variables", "agent.presets:check_variable",
            ],
            check=False,
        )  # fmt: skip
        if compiled.returncode != 0:
            if plan.exists():  # a coil that an earlier guard left on must not stay so because a file is wrong
                subprocess.run([sys.executable, "-m", "agent.guard", str(plan), "--outputs-safe"], check=False)
            time.sleep(refused_pause_s(os.environ))
            sys.exit(compiled.returncode)
    _make_room(plan)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "agent.guard", str(plan)])


def refused_pause_s(environment: Mapping[str, str]) -> float:
    """Return how long a process waits before it ends because of a wrong station file, s.

    Under systemd, which starts both processes again at once and for ever: no busy loop of it. By hand it ends at once.
    """
    return REFUSED_PAUSE_S if "NOTIFY_SOCKET" in environment else 0.0


def _plan_place(config: Path) -> Path:
    from agent.settings.places import state_dirs

    try:
        text = config.read_bytes()
    except OSError:  # the compiler says what is wrong with it
        text = b""
    return state_dirs(config, text)[0] / PLAN_NAME


def _plan_is_fresh(plan: Path, config: Path) -> bool:
    """Return whether the plan was made of this very file by this release: a start after a crash saves the work."""
    import hashlib

    try:
        made_of = json.loads(plan.read_bytes())
        now = hashlib.sha256(config.read_bytes()).hexdigest()
        if not isinstance(made_of, dict):
            return False
        board = made_of.get("board_file")
        board_now = hashlib.sha256(Path(board).read_bytes()).hexdigest() if board else ""
        safe_now = hashlib.sha256(plan.with_name("outputs-safe.plan").read_bytes()).hexdigest()
    except (OSError, ValueError, TypeError, RecursionError):
        return False
    return (
        board_now == made_of.get("board_sha256", "")
        and made_of.get("station_sha256") == now
        and made_of.get("station_file") == str(config.absolute())
        and made_of.get("made_by") == __version__
        and made_of.get("safe_sha256") == safe_now
    )


def _make_room(plan: Path) -> None:
    """Make the folder of the guard's socket, as RuntimeDirectory= does under systemd."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # the guard itself says what is wrong
        Path(json.loads(plan.read_bytes())["socket"]).parent.mkdir(parents=True, exist_ok=True)


# ---- the station file ------------------------------------------------------------------------------------------------


def _load(config: Path) -> Loaded | None:
    from agent.settings.checked import keep, recall

    known = recall(config)
    if known is not None:
        return known
    from agent.presets import check_variable
    from agent.settings.last_good import load_station
    from agent.settings.problems import SettingsError

    try:
        loaded = load_station(config, check_variable=check_variable)
    except SettingsError as error:
        from agent.cli_station import complain

        complain(str(error))
        complain("The station does not start: there is no last good copy of this file.")
        return None
    keep(loaded)
    return loaded


if __name__ == "__main__":
    sys.exit(main())
