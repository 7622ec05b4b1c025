"""The command ``charge-bench``: serve a bench, or tell a running one what to do. Options come from the verbs."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import importlib
import importlib.metadata
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, Final

from drivers.bench.wire import WireError
from hil.all_verbs import describe_all
from hil.client import Bench, BenchError
from hil.csms_parameters import is_text
from hil.dut import PID_MAX
from hil.reader_faces import READER_FACES
from hil.station_toml import FAMILIES

_DELEGATED: Final = {"demo": "hil.demo", "csms": "hil.csms_server"}

EXIT_INTERRUPTED: Final = 130  # as a shell says SIGINT
EXIT_NO_READER: Final = 141  # as a shell says SIGPIPE


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 refused or failed, 2 wrong usage, 130 Ctrl-C, 141 nobody reads on."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:  # where nobody takes it as a wish of its own, as serve and demo do once they run
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # charge-bench ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return EXIT_NO_READER


def _run(argv: list[str] | None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    delegated = _delegated(arguments)
    if delegated is not None:
        return delegated
    parser = build_parser()
    complaint = _unknown_command(arguments)
    if complaint is not None:
        parser.error(complaint)
    options = parser.parse_args(_dir_first(arguments))
    if options.verb == "serve":
        return _serve(options)
    return _tell(options)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser, made from the descriptions of the verbs."""
    parser = argparse.ArgumentParser(
        prog="charge-bench", description="The simulated world around a charging station.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"charge-bench {_version()}")
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(os.environ.get("CHARGE_BENCH_DIR", ".bench")),
        help="folder of the bench's sockets and ports (default: $CHARGE_BENCH_DIR or ./.bench)",
    )
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add_serve(commands)
    commands.add_parser("demo", help="play one charge with real processes and print it as a timeline", add_help=False)
    for verb in describe_all():
        command = commands.add_parser(verb["name"], aliases=_dashed(verb["name"]), help=_escaped(verb["summary"]))
        command.set_defaults(verb=verb["name"], description=verb)
        for parameter in verb["parameters"]:
            _add_parameter(command, parameter)
    return parser


def _delegated(arguments: list[str]) -> int | None:
    """Run another module's command; ``csms`` followed by a word asks a running one through the bench instead."""
    position = _command_position(arguments)
    if position is None or arguments[position] not in _DELEGATED:
        return None
    asks = arguments[position] == "csms" and [*arguments, "-"][position + 1][:1] not in ("-", "")
    if asks:
        return None
    module = importlib.import_module(_DELEGATED[arguments[position]])
    return int(module.main([*arguments[:position], *arguments[position + 1 :]]) or 0)


def _command_position(arguments: list[str]) -> int | None:
    after_dir = {index + 1 for index, word in enumerate(arguments) if word == "--dir"}
    words = (i for i, word in enumerate(arguments) if not word.startswith("-") and i not in after_dir)
    return next(words, None)


def _unknown_command(arguments: list[str]) -> str | None:
    position = _command_position(arguments)
    if position is None:
        return None
    word = arguments[position].replace("-", "_")
    known = ["serve", *_DELEGATED, *(verb["name"] for verb in describe_all())]
    if word in known:
        return None
    close = difflib.get_close_matches(word, known, n=1)
    return f"no command {arguments[position]!r}, " + (
        f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
    )


def _dir_first(arguments: list[str]) -> list[str]:
    """Return the arguments with ``--dir`` in front, so that it may stand anywhere."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--dir":
            first += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word.startswith("--dir="):
            first.append(word)
        else:
            rest.append(word)
    return first + rest


def _serve(options: argparse.Namespace) -> int:
    from hil.server import Bench as BenchProcess
    from hil.server import BenchRefused, serve
    from hil.world import WorldSettings

    settings = WorldSettings(
        evses=options.evses,
        connectors=options.connectors,
        fixed_cables=tuple(options.fixed_cable),
        readers=options.readers,
        reader=options.reader,
        energy_wh=options.energy_wh,
        energy_factor=options.energy_factor,
        mirror_closed_at_rest=options.mirror == "nc",
        tethered=options.tethered,
        second_contactor=options.second_contactor,
    )

    def ready(bench: BenchProcess) -> None:
        print(f"charge-bench is ready in {bench.directory}", flush=True)

    try:
        given = {"meter": options.meter, "controller": options.controller}
        set_options = dict(options.set) | {name: value for name, value in given.items() if value}
        asyncio.run(serve(options.dir.absolute(), settings, set_options, ready, options.parent))
    except (BenchRefused, WireError, ValueError, OSError) as exc:
        print(f"charge-bench: {exc}", file=sys.stderr)
        return 1
    return 0


def _tell(options: argparse.Namespace) -> int:
    given: dict[str, Any] = {}
    for parameter in options.description["parameters"]:
        value = getattr(options, parameter["name"])
        if value not in (None, []):
            whole = parameter["type"] == "object"
            given[parameter["name"]] = {k: v for part in value for k, v in part.items()} if whole else value
    try:
        with Bench(options.dir) as bench:
            result = bench.call(options.verb, **given)
    except BenchError as exc:
        print(f"charge-bench: {exc}", file=sys.stderr)
        return 1
    _show(options.verb, result)
    return 0


def _show(verb: str, result: Any) -> None:
    if verb == "trace":
        for at_s, signal, value in result["entries"]:
            print(f"{at_s:14.4f}  {signal:28} {json.dumps(value)}")
    elif verb == "verbs":
        for described in result:
            print(f"{described['name']:14} {described['summary']}")
            for parameter in described["parameters"]:
                print(f"    {_usage(parameter)}")
    else:
        print(json.dumps(result, indent=2))


def _usage(parameter: dict[str, Any]) -> str:
    default = "required" if parameter.get("required") else f"default {json.dumps(parameter['default'])}"
    choices = f" one of {', '.join(str(choice) for choice in parameter['choices'])}" if "choices" in parameter else ""
    unit = f" {parameter['unit']}" if "unit" in parameter else ""
    return f"{parameter['name']} ({parameter['type']}{unit}, {default}){choices}: {parameter['help']}"


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser("serve", help="run a bench in the foreground")
    serve.add_argument("--evses", type=int, default=1, choices=range(1, 65), metavar="N", help="EVSEs, 1-64")
    serve.add_argument(
        "--connectors", type=int, default=1, choices=range(1, 5), metavar="N", help="connectors of each EVSE, 1-4"
    )
    serve.add_argument(
        "--fixed-cable", type=int, action="append", default=[], metavar="N",
        help="connector N of each EVSE has a fixed cable; repeat it for several",
    )  # fmt: skip
    serve.add_argument("--readers", type=int, default=1, choices=range(65), metavar="N", help="card readers, 0-64")
    serve.add_argument("--reader", choices=tuple(READER_FACES), default="rdm6300", help="family of the card readers")
    serve.add_argument("--energy-wh", type=_number, default=120_000.0, help="registers at the start, Wh")
    serve.add_argument("--energy-factor", type=_number, default=1.0, help="multiplies counted energy, nothing else")
    serve.add_argument("--mirror", choices=("nc", "no"), default="nc", help="mirror contact at rest")
    serve.add_argument("--tethered", action="store_true", help="fixed cable: no proximity contact")
    serve.add_argument("--second-contactor", action="store_true", help="L2 and L3 have a contactor of their own")
    serve.add_argument(
        "--meter", metavar="PROFILE", help="the meters' profile, a name or a file (default eastron_sdm630)"
    )
    serve.add_argument("--controller", choices=FAMILIES, help="every EVSE has a bought controller of this family")
    serve.add_argument("--parent", type=_pid, metavar="PID", help="end when this process ends")
    serve.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="csms=HOST:PORT, csms_socket=PATH or net_port=PORT",
    )


def _add_parameter(command: argparse.ArgumentParser, parameter: dict[str, Any]) -> None:
    unit = f", {parameter['unit']}" if "unit" in parameter else ""
    default = "" if parameter.get("required") else f" (default {json.dumps(parameter['default'])})"
    extra: dict[str, Any] = {"help": _escaped(f"{parameter['help']}{unit}{default}")}
    extra |= {"action": _Arguments} if parameter["type"] == "object" else {"type": _CONVERTERS[parameter["type"]]}
    if "choices" in parameter:
        extra["metavar"] = "{" + ",".join(str(choice) for choice in parameter["choices"]) + "}"
    if parameter.get("positional"):
        if parameter["type"] in ("texts", "object"):
            extra["nargs"] = "*"
        elif not parameter.get("required"):
            extra["nargs"] = "?"
        command.add_argument(parameter["name"], **extra)
    else:
        flags = [f"--{name}" for name in (*_dashed(parameter["name"]), parameter["name"])]
        command.add_argument(*flags, dest=parameter["name"], **extra)


def _dashed(name: str) -> list[str]:
    return [name.replace("_", "-")] if "_" in name else []


def _truth(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r}: expected true or false")
    return words[text.lower()]


def _anything(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class _Arguments(argparse.Action):
    """Reads NAME=VALUE for the verb of the CSMS that was named before: text stays as it is, all else may be JSON."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Set the list of objects."""
        setattr(namespace, self.dest, [self._object(namespace.ask, text) for text in values or ()])

    def _object(self, ask: str, text: str) -> dict[str, Any]:
        value = _anything(text)
        if isinstance(value, dict):
            return value
        name, equals, rest = text.partition("=")
        if not name or not equals:
            raise argparse.ArgumentError(self, f"{text!r}: expected NAME=VALUE or a JSON object")
        return {name: rest if is_text(ask, name) else _anything(rest)}


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a finite number")
    return number


def _pid(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= PID_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a process id in 1-{PID_MAX}")
    return int(text)


def _escaped(text: str) -> str:
    """Return a text that argparse shows as it is: it formats help with ``%``."""
    return text.replace("%", "%%")


def _version() -> str:
    try:
        return importlib.metadata.version("charge-agent")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


_CONVERTERS: Final[dict[str, Any]] = {
    "text": str,
    "int": int,
    "number": _number,
    "bool": _truth,
    "any": _anything,
    "texts": str,
}

if __name__ == "__main__":
    sys.exit(main())
