"""The command line: ``charge-agent run | guard | check | status | queue | why | meter``.

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from agent import __version__

if TYPE_CHECKING:
    import argparse

    from agent.console.meter_wire import Target
    from agent.settings.loaded import Loaded
    from agent.settings.problems import Problem
    from agent.settings.station import Settings

DEFAULT_CONFIG: Final = "/etc/charge-agent/station.toml"
EXIT_UNAVAILABLE: Final = 69
EXIT_SETTINGS: Final = 78
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
        return command(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="charge-agent", description="The software of an EV charging station.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"charge-agent {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(command=run)
        return command

    def config(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--config",
            type=Path,
            default=Path(os.environ.get("CHARGE_AGENT_CONFIG", DEFAULT_CONFIG)),
            metavar="FILE",
            help=f"station file (default: $CHARGE_AGENT_CONFIG or {DEFAULT_CONFIG})",
        )

    config(add("run", lambda options: _run(options.config), "run the agent: charging core, meters, card readers, OCPP"))
    config(
        add(
            "guard",
            lambda options: _guard(options.config),
            "run the guard: the safety process that holds pilot and contactor",
        )
    )
    check = add("check", _check, "check a station file and say everything that is wrong with it, at once")
    check.add_argument("file", type=Path, help="station file")
    check.add_argument(
        "--hardware", action="store_true", help="also look at this machine's devices: names, chips, ports, voltages"
    )
    check.add_argument("--json", action="store_true", help="for programs")
    for name, run, help_text in (
        ("status", _status, "show the running station at a glance"),
        ("queue", _queue, "list the facts that the CSMS has not acknowledged"),
        ("why", _why, "say for each EVSE why it charges at this current or not at all"),
    ):
        command = add(name, run, help_text)
        config(command)
        command.add_argument("--json", action="store_true", help="for programs")
        if name == "queue":
            command.add_argument("--limit", type=_count, default=100, metavar="N", help="at most so many (default 100)")
        if name == "why":
            command.add_argument("evse", type=_count, nargs="?", help="only this EVSE")
    from agent.console.token_verbs import Surroundings, add_verbs

    add_verbs(add, Surroundings(socket=_socket_of, config=config))
    from agent.console import book_verbs

    book_verbs.add_verbs(add, book_verbs.Lent(socket=_socket_of, config=config, count=_count, copied=_records_of_copy))
    rfid = add("rfid", lambda _options: 2, "look at the card readers").add_subparsers(required=True, metavar="VERB")
    text = "show what the readers say, the id that goes to the CSMS, and what the station knows of the card"
    listen = rfid.add_parser("listen", help=text, description=text)
    listen.set_defaults(command=_listen)
    config(listen)
    listen.add_argument("--reader", metavar="NAME", help="only this reader of the station file")
    listen.add_argument("--seconds", type=_count, metavar="N", help="end after so long (default: on Ctrl-C)")
    listen.add_argument("--json", action="store_true", help="for programs, one line for each card")
    from agent.console.meter_arguments import add_meter_commands

    add_meter_commands(add("meter", _meter, "read a meter, look for meters, examine a meter's line"), config)
    from agent import cli_security

    cli_security.add_verbs(add, config)
    from agent import cli_maintenance

    cli_maintenance.add_verbs(add, cli_maintenance.Lent(config, records=_records_of_copy, queue=_waiting_of_copy))
    from agent.trial.arguments import add_arguments

    text = "test the station's hardware: each output seen back by its sense, readers, meters, protection"
    trial = add("test", _test, text)
    config(trial)
    add_arguments(trial)
    return parser


def _socket_of(config: Path) -> Path | None:
    settings = _settings(config)
    return None if settings is None else _socket(settings)


def _count(text: str) -> int:
    import argparse

    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)


# ---- the two processes -----------------------------------------------------------------------------------------------


def _run(config: Path) -> int:
    import gc

    gc.disable()  # nothing becomes garbage while modules load; the application turns it on again
    import asyncio

    loaded = _load(config)
    if loaded is None:
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
            if "NOTIFY_SOCKET" in os.environ:  # under systemd, which starts a guard again at once: no busy loop of it
                time.sleep(REFUSED_PAUSE_S)
            sys.exit(compiled.returncode)
    _make_room(plan)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "agent.guard", str(plan)])


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
        _complain(str(error))
        _complain("The station does not start: there is no last good copy of this file.")
        return None
    keep(loaded)
    return loaded


def _check(options: argparse.Namespace) -> int:
    from agent.presets import check_variable
    from agent.settings.last_good import check_file
    from agent.settings.problems import SettingsError

    seen: list[str] = []
    try:
        station = check_file(options.file, check_variable=check_variable)
        if options.hardware:
            from agent.settings.hardware import look_at_hardware

            missing, seen = look_at_hardware(station)
            if missing:
                raise SettingsError(missing)
    except SettingsError as error:
        return _tell_problems(error.problems, seen, options)
    if options.json:
        answer = {"ok": True, "problems": [], "station": station.settings.station.id}
        print(json.dumps(answer | ({"seen": seen} if options.hardware else {}), indent=2))
    else:
        for sentence in seen:
            print(f"  {sentence}")
        print(f"{options.file}: good. {_summary(station.settings)}")
    return 0


def _tell_problems(problems: Sequence[Problem], seen: list[str], options: argparse.Namespace) -> int:
    if options.json:
        listed = [
            {"file": each.file, "line": each.line, "key": each.key, "problem": each.text, "hint": each.hint}
            for each in problems
        ]
        answer = {"ok": False, "problems": listed}
        print(json.dumps(answer | ({"seen": seen} if options.hardware else {}), indent=2))
    else:
        for sentence in seen:
            print(f"  {sentence}")
        _complain("\n".join(str(problem) for problem in problems))
        _complain(f"{options.file}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return EXIT_SETTINGS


def _summary(settings: Settings) -> str:
    evses = ", ".join(f"EVSE {each.id} {each.phases} x {each.max_current_a:g} A" for each in settings.evses)
    board = f" on {settings.board.title}" if settings.board is not None else ""
    return (
        f"Station {settings.station.id}{board}: {evses}; {len(settings.readers)} card reader(s); "
        f"OCPP {settings.csms.version.value} to {settings.csms.url}"
    )


# ---- questions to the running agent ----------------------------------------------------------------------------------


def _status(options: argparse.Namespace) -> int:
    from agent.console.screens import status_screen

    return _ask(options, "status", status_screen)


def _why(options: argparse.Namespace) -> int:
    from agent.console.screens import why_screen

    return _ask(options, "why", why_screen, evse=options.evse)


def _queue(options: argparse.Namespace) -> int:
    from agent.console.knock import NobodyHome, Unanswered, ask
    from agent.console.screens import queue_screen

    settings = _settings(options.config)
    if settings is None:
        return EXIT_SETTINGS
    try:
        answer = ask(_socket(settings), "queue", limit=options.limit)
    except NobodyHome:
        copied = _queue_of_copy(settings, options.limit)
        if copied is None:
            return EXIT_UNAVAILABLE
        answer = copied
    except Unanswered as error:
        _complain(str(error))
        return 1
    _show(answer, queue_screen, as_json=options.json)
    return 0


def _queue_of_copy(settings: Settings, limit: int) -> dict[str, Any] | None:
    from agent.errors import StoreError
    from agent.runtime.reports import queue_row
    from agent.store import read_copy

    journal = settings.station.state_dir / "journal.sqlite"
    try:
        journal.stat()
        boot_id, utc_s = _clock_of(settings)
        with read_copy(journal, boot_id=boot_id, utc_s=utc_s) as store:
            counts = store.counts()
            rows = [dict(queue_row(each)) for each in store.queue(limit)]
    except FileNotFoundError:
        _complain(f"No agent runs, and there is no journal at {journal}.")
        return None
    except (StoreError, OSError) as error:
        _complain(f"No agent runs, and a copy of its journal cannot be read: {error}")
        return None
    return {"source": "copy", "waiting": counts.waiting, "dead": counts.dead, "rows": rows}


def _waiting_of_copy(config: Path, limit: int) -> dict[str, Any] | None:
    settings = _settings(config)
    return None if settings is None else _queue_of_copy(settings, limit)


def _records_of_copy(config: Path, limit: int) -> dict[str, Any] | None:
    from agent.errors import StoreError
    from agent.runtime.book import record_row
    from agent.store import read_copy

    settings = _settings(config)
    if settings is None:
        return None
    journal = settings.station.state_dir / "journal.sqlite"
    try:
        journal.stat()
        boot_id, utc_s = _clock_of(settings)
        with read_copy(journal, boot_id=boot_id, utc_s=utc_s) as store:
            rows = [
                record_row(each, store.utc_of(each.record.started_at), store.utc_of(each.record.ended_at))
                for each in store.charge_records(limit)
            ]
    except FileNotFoundError:
        _complain(f"No agent runs, and there is no journal at {journal}.")
        return None
    except (StoreError, OSError) as error:
        _complain(f"No agent runs, and a copy of its journal cannot be read: {error}")
        return None
    return {"source": "copy", "rows": rows}


def _clock_of(settings: Settings) -> tuple[str, float | None]:
    """Return which boot this is and what time of day, as the station's clock says; unknown without it."""
    from drivers.api import ClockSource, DriverError
    from drivers.registry import open_driver

    try:
        clock: ClockSource = open_driver(settings.clock.target, settings.clock.options)
        return clock.boot_id(), clock.utc_s()
    except DriverError:
        return "", None


def _meter(options: argparse.Namespace) -> int:
    from agent.console.meter_commands import run

    return run(options, lambda evse_id: _meter_of(options.config, evse_id))


def _meter_of(config: Path, evse_id: int | None) -> tuple[Target | None, Path, int]:
    """Return the meter of an EVSE of the station file: how to reach it (``None``: not by us), the socket, the EVSE."""
    from agent.settings.meter_target import meter_target

    settings = _settings(config)
    if settings is None:
        sys.exit(EXIT_SETTINGS)
    chosen, place = meter_target(settings, evse_id)
    if place is None:
        return None, _socket(settings), chosen
    from agent.console.meter_wire import Line, Target
    from drivers.meter.profile_file import load_profile

    line = Line(**place.line)
    target = Target(
        line=line,
        profile=load_profile(place.profile),
        unit=place.unit,
        evse_id=chosen,
        timeout_s=place.timeout_s,
        options=place.options,
    )
    return target, _socket(settings), chosen


def _listen(options: argparse.Namespace) -> int:
    from agent.listening import listen

    settings = _settings(options.config)
    if settings is None:
        return EXIT_SETTINGS
    return listen(settings, seconds=options.seconds, reader=options.reader, as_json=options.json)


def _test(options: argparse.Namespace) -> int:
    settings = _settings(options.config)
    if settings is None:
        return EXIT_SETTINGS
    from agent.trial.command import run

    return run(options, settings)


def _ask(options: argparse.Namespace, question: str, screen: Callable[[Any], str], **fields: Any) -> int:
    from agent.console.knock import NobodyHome, Unanswered, ask

    settings = _settings(options.config)
    if settings is None:
        return EXIT_SETTINGS
    try:
        answer = ask(_socket(settings), question, **fields)
    except NobodyHome as error:
        _complain(f"{error}. Is it running? (charge-agent run --config {options.config})")
        return EXIT_UNAVAILABLE
    except Unanswered as error:
        _complain(str(error))
        return 1
    _show(answer, screen, as_json=options.json)
    return 0


def _settings(config: Path) -> Settings | None:
    """Return the station's settings; a broken station file is no obstacle while there is a good copy."""
    from agent.settings.checked import recall
    from agent.settings.last_good import load_station
    from agent.settings.problems import SettingsError

    known = recall(config)
    if known is not None:
        return known.settings
    try:
        return load_station(config, remember=False).settings
    except SettingsError as error:
        _complain(str(error))
        return None


def _socket(settings: Settings) -> Path:
    return settings.station.run_dir / "agent.sock"


def _show(answer: Any, screen: Callable[[Any], str], *, as_json: bool) -> None:
    print(json.dumps(answer, indent=2) if as_json else screen(answer))


def _complain(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
