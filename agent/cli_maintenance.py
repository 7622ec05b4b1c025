"""The verb ``bundle``: what support needs of a station in one file, with nothing in it that must not leave the station.

It works without a running agent and with a broken station file, because that is when it is needed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agent.cli_station import EXIT_FAILED, EXIT_SETTINGS, Add, complain, configured

if TYPE_CHECKING:
    import argparse

    from agent.maintenance.bundle import Bundle, Section
    from agent.maintenance.log_lines import TimeRange
    from agent.settings.station import Settings

MB: Final = 1_000_000
ROWS: Final = 500

Copied = Callable[[Path, int], Mapping[str, Any] | None]


class Lent(NamedTuple):
    """What the command line lends.

    Attributes:
        records, queue: charges and waiting facts of a copy of the journal, where no agent runs; ``None``: none there.
    """

    records: Copied
    queue: Copied


def add_verbs(add: Add, lent: Lent) -> None:
    """Add the verb to the parser."""
    bundle = add(
        "bundle", lambda options: bundle_verb(options, lent), "pack what support needs into one file, without secrets"
    )
    configured(bundle)
    bundle.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: a name of its own, here)")
    bundle.add_argument("--since", type=_moment, metavar="TIME", help="nothing older, as 2026-11-20T08:00:00Z")
    bundle.add_argument("--until", type=_moment, metavar="TIME", help="nothing newer")
    bundle.add_argument("--json", action="store_true", help="list what it holds for programs")


def bundle_verb(options: argparse.Namespace, lent: Lent) -> int:
    """Make a bundle; return the exit code."""
    from agent.maintenance.bundle import make_bundle
    from agent.maintenance.log_lines import TimeRange
    from agent.maintenance.upload import name_of_file
    from agent.model.maintenance import LogKind
    from agent.model.moment import rfc3339
    from agent.runtime.bundles import times

    try:
        options.config.read_bytes()
    except OSError as error:
        complain(f"{options.config}: {error.strerror or error}")
        return EXIT_SETTINGS
    when = TimeRange(oldest_utc_s=options.since, latest_utc_s=options.until)
    settings, problem = _settings(options.config)
    now_s = time.time()
    station_id = "station" if settings is None else settings.station.id
    out = options.out or Path(name_of_file(station_id, LogKind.DIAGNOSTICS, now_s, ""))
    about = {"station": station_id, "made": rfc3339(now_s), "made_by": "charge-agent bundle", **times(when)}
    if problem:
        about["settings_problem"] = problem
    most_b = (16 if settings is None else settings.maintenance.max_bundle_mb) * MB
    sections = [*_of_agent(settings, options.config, when, lent), *_of_machine(settings, options.config, when)]
    try:
        made = make_bundle(out, sections, about=about, secrets=_secrets(settings), most_b=most_b)
        size_b = made.path.stat().st_size
    except OSError as error:
        complain(f"{out} cannot be written: {error.strerror or error}")
        return EXIT_FAILED
    _show(made, size_b, as_json=options.json)
    return 0


def _show(made: Bundle, size_b: int, *, as_json: bool) -> None:
    if as_json:
        entries = [{"name": each.name, "size_b": each.size_b, "sha256": each.sha256} for each in made.entries]
        print(json.dumps({"file": str(made.path), "size_b": size_b, "entries": entries, "missing": dict(made.missing)}))
        return
    print(f"{made.path}: {size_b} bytes")
    for each in made.entries:
        print(f"  {each.name}: {each.size_b} bytes{', cut' if each.cut else ''}")
    for name, why in made.missing.items():
        print(f"  {name} is not in it: {why}")


def _settings(config: Path) -> tuple[Settings | None, str]:
    """Return the settings, those of the last good copy where the file is broken, and what is wrong."""
    from agent.settings.last_good import load_station
    from agent.settings.problems import SettingsError

    try:
        loaded = load_station(config, remember=False)
    except SettingsError as error:
        return None, str(error)
    return loaded.settings, "\n".join(str(each) for each in loaded.problems)


def _of_agent(settings: Settings | None, config: Path, when: TimeRange, lent: Lent) -> list[Section]:
    """Return what the running agent tells, or what a copy of its journal does."""
    from agent.console.knock import NobodyHome, Unanswered, ask
    from agent.maintenance.bundle import QUESTIONS, Section, answer_section

    if settings is None:
        return [Section(name=name, missing="the station file cannot be used") for name, _, _ in QUESTIONS]
    copies: dict[str, Copied] = {"cdr": lent.records, "queue": lent.queue}
    sections = []
    for name, question, fields in QUESTIONS:
        answer: Mapping[str, Any] | None
        why = "no agent runs there"
        try:
            answer = ask(settings.station.run_dir / "agent.sock", question, **fields)
        except NobodyHome:
            answer = copies[question](config, ROWS) if question in copies else None
        except Unanswered as error:
            answer, why = None, str(error)
        sections.append(Section(name=name, missing=why) if answer is None else answer_section(name, answer, when))
    return sections


def _of_machine(settings: Settings | None, config: Path, when: TimeRange) -> list[Section]:
    """Return what stands on this machine's disks: versions, files, logs."""
    from agent import __version__
    from agent.maintenance.bundle import file_section, versions_section
    from agent.maintenance.log_lines import log_lines
    from agent.runtime.bundles import security_section
    from agent.secured import vault_of

    sections = [versions_section(__version__), file_section("station.toml", config)]
    if settings is None:
        return sections
    if settings.board is not None:
        sections.append(file_section("board.toml", settings.board.file))
    from agent.maintenance.bundle import Section

    lines = log_lines(settings.station.run_dir, when, journal=os.path.exists("/run/systemd/system"))
    return [
        *sections,
        Section(name="agent.log", lines=lines),
        security_section(vault_of(settings).log, None, when),
    ]


def _secrets(settings: Settings | None) -> tuple[str, ...]:
    from agent.runtime.bundles import known_secrets
    from agent.secured import vault_of

    return () if settings is None else known_secrets(vault_of(settings))


def _moment(text: str) -> float:
    import argparse

    from agent.maintenance.log_lines import moment_in

    moment = moment_in(text)
    if moment is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, expected one like 2026-11-20T08:00:00Z")
    return moment
