"""``python -m tests.mutation.campaign [MODULE ...]``: run the tests against every mutant, two at a time.

Exit code: 0 every survivor is argued in ``survivors.toml`` and every entry there survives; 1 otherwise.
"""

from __future__ import annotations

import argparse
import ast
import os
import signal
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Final

import hypothesis.strategies  # noqa: F401  # loaded once, for every process that is forked
import pytest

from tests.mutation.mutants import Mutant, mutants_of

REPOSITORY: Final = Path(__file__).parents[2]
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
_OURS: Final = ("agent.", "tests.unit", "tests.scenario")
LIMIT_S: Final = 60.0  # for the tests of one mutant; one that hangs is noticed
_SCAN: Final = ("tests/scenario/test_guard_scan.py",)
# What is quick first: it notices nearly everything; the rest runs only for what it leaves.
TESTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "agent.guard.pilot": (
        (
            "tests/unit/test_guard_pilot_edges.py",
            "tests/unit/test_guard_pilot.py",
            *("-k", "not window_is_what_a_judgement and not whole_table"),
        ),
        ("tests/unit/test_guard_pilot.py",),
        _SCAN,
    ),
    "agent.guard.interlock": (
        ("tests/unit/test_guard_interlock.py", "-k", "not every_permission_there_is"),
        ("tests/unit/test_guard_interlock.py",),
        _SCAN,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one mutant."""

    module: str
    mutant: Mutant | None
    survived: bool


class _Mutated(MetaPathFinder, Loader):
    """Imports one module from a changed tree."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name, self._tree = name, tree

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return a spec for the one module."""
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let Python make it."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        exec(compile(self._tree, f"<mutant of {self._name}>", "exec"), module.__dict__)


def source_of(module: str) -> str:
    """Return a module's source without importing it."""
    return (REPOSITORY / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")


def begin(module: str, mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Start a process that runs ``tests`` against ``mutant``; return its id. It ends with the exit code of pytest."""
    pid = os.fork()
    if pid:
        return pid
    code = int(pytest.ExitCode.INTERNAL_ERROR)  # the mutant broke more than a test
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if mutant is not None:
            for name in [name for name in sys.modules if name.startswith(_OURS)]:
                del sys.modules[name]  # what is loaded already has loaded the module as it is
            sys.meta_path.insert(0, _Mutated(module, mutant.tree()))
        quick = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--no-header")
        found = pytest.main([*quick, *tests])
        code = int(found)
    finally:
        os._exit(code)


def judge(module: str, mutants: Sequence[Mutant | None], *, tests: Sequence[str], jobs: int) -> list[Verdict]:
    """Run the tests against each mutant (``None``: the module as it is), ``jobs`` at a time."""
    verdicts: list[Verdict] = []
    running: dict[int, tuple[Mutant | None, float]] = {}
    left = list(mutants)
    while left or running:
        while left and len(running) < jobs:
            mutant = left.pop(0)
            running[begin(module, mutant, tests)] = (mutant, time.monotonic())
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended:
            mutant, _ = running.pop(ended)
            code = os.waitstatus_to_exitcode(status)
            if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
                raise RuntimeError(f"pytest {' '.join(tests)} ended with {code}: nothing was tested")
            verdicts.append(Verdict(module=module, mutant=mutant, survived=code == pytest.ExitCode.OK))
            continue
        for pid, (_, began_s) in running.items():
            if time.monotonic() - began_s > LIMIT_S:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return verdicts


def argued() -> dict[str, str]:
    """Return the survivors that somebody has argued, with the reasons."""
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["survivor"]
    return {entry["mutant"]: entry["why"] for entry in entries}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.campaign", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS), help="modules of the guard (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    given = parser.parse_args(arguments)
    os.chdir(REPOSITORY)
    began_s, tried = time.monotonic(), 0
    survivors: list[tuple[str, Mutant]] = []
    for module in given.modules:
        left = list(mutants_of(source_of(module)))
        tried += len(left)
        for tests in TESTS[module]:
            judged = judge(module, left, tests=tests, jobs=given.jobs)
            left = [each.mutant for each in judged if each.survived and each.mutant is not None]
            print(f"{module}: {len(left)} of {tried} not noticed by {' '.join(tests)}", flush=True)
        survivors += [(f"{module}:{mutant.name}", mutant) for mutant in left]
    known = argued()
    for key, mutant in sorted(survivors, key=lambda each: each[0]):
        print(f"survived, line {mutant.line}: {key}\n    {known.get(key, 'NOT ARGUED')}")
    keys = {key for key, _ in survivors}
    gone = [key for key in known if key not in keys and key.partition(":")[0] in given.modules]
    for key in gone:
        print(f"argued, but noticed or not there any more: {key}")
    print(f"{tried} mutants, {len(survivors)} survived, in {time.monotonic() - began_s:.0f} s")
    return 1 if gone or keys - known.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
