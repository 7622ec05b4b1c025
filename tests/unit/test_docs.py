"""The documents against the repository: links, named files, make targets, named tests, the words of the commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli import _parser
from hil.all_verbs import describe_all

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
IDS = [document.name for document in DOCUMENTS]
LANGUAGES = {"sh", "console", "toml", "python", "text", "json", "log", ""}
ROOTS = ("agent/", "drivers/", "hil/", "tests/", "docs/", "config/", "systemd/", "bench/", ".ci/")
OF_DELEGATES = {"serve", "demo", "csms"}
OF_OTHERS = {"test_acme_pilot"}  # files that a reader writes

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_TEST = re.compile(r"\btest_[a-z0-9_]+\b")
_TARGET = re.compile(r"^([a-z][\w -]*?):(?!=)", re.MULTILINE)


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [text for name, text in _BLOCK.findall(document.read_text(encoding="utf-8")) if name == language]


def is_make(line: str) -> bool:
    """Return whether a line of a shell block only names make targets (or nothing)."""
    return not line.strip() or line.lstrip().startswith(("make ", "#"))


def spans(document: Path) -> Iterator[str]:
    """Return what stands in backticks in running text."""
    yield from _SPAN.findall(_BLOCK.sub("", document.read_text(encoding="utf-8")))


def shown_lines(document: Path) -> Iterator[str]:
    """Return every line that is a command, in blocks and in running text."""
    for language in ("sh", "console"):
        for block in blocks(document, language):
            yield from (line.strip().removeprefix("$ ").removeprefix("# ") for line in block.splitlines())
    yield from spans(document)


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_block_says_a_known_language(document: Path) -> None:
    assert {name for name, _ in _BLOCK.findall(document.read_text(encoding="utf-8"))} <= LANGUAGES


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_link_into_the_repository_leads_to_a_file(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = {
        word.rstrip(".,:;)")
        for line in shown_lines(document)
        for word in line.split()
        if word.startswith(ROOTS) and "*" not in word and "<" not in word
    }
    assert [name for name in sorted(named) if not (REPOSITORY / name.partition("::")[0]).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_make_target_exists(document: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = {name for line in _TARGET.findall(makefile) for name in line.split()}
    shown = [line.split() for line in shown_lines(document) if line.startswith("make ")]
    named = {word for words in shown for word in words[1:] if "=" not in word and not word.startswith("-")}
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_command_is_one_that_there_is(document: Path) -> None:
    (choices,) = (action.choices for action in _parser()._actions if action.choices)
    known = {
        "charge-agent": {*choices},
        "charge-bench": OF_DELEGATES | {verb["name"] for verb in describe_all()},
    }
    for line in shown_lines(document):
        words = [word for word in line.split() if not word.startswith("-")]
        if len(words) > 1 and (program := words[0].rpartition("/")[2]) in known and words[1].isidentifier():
            assert words[1] in known[program], line


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_test_that_is_named_exists(document: Path) -> None:
    sources = [*(REPOSITORY / "tests").rglob("*.py")]
    known = {path.stem for path in sources} | {
        found for path in sources for found in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    named = set(_TEST.findall(document.read_text(encoding="utf-8")))
    assert named - known - OF_OTHERS == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_python_block_is_python(document: Path) -> None:
    for block in blocks(document, "python"):
        ast.parse(block)


def test_the_picture_is_the_one_that_the_demonstration_draws() -> None:
    drawn = (REPOSITORY / "docs" / "charge.svg").read_text(encoding="utf-8")
    for word in ("Authorize", "StartTransaction", "StopTransaction", "contactor coil", "current, 16 A"):
        assert word in drawn
