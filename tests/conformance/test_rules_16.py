"""The list of rules of OCPP 1.6 against the tests that it names."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("rules_16.toml").read_text("utf-8"))["rule"]


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the tests in a file, those of classes included."""
    tree = ast.parse((REPOSITORY / file).read_text("utf-8"))
    found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in found if name.startswith("test_"))


def test_every_rule_has_its_own_id_a_section_and_words() -> None:
    ids = [rule["id"] for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert all(rule["section"] and rule["text"].endswith(".") for rule in RULES)
    chapters = {1: 16, 2: 9, 3: 17, 4: 11, 5: 7, 6: 8, 7: 14, 8: 15, 9: 14}
    wanted = {f"{chapter}.{number}" for chapter, most in chapters.items() for number in range(1, most + 1)}
    assert set(ids) >= wanted | {f"T{number}" for number in range(1, 32)}


@pytest.mark.parametrize("rule", RULES, ids=[rule["id"] for rule in RULES])
def test_every_rule_names_tests_that_exist(rule: dict[str, Any]) -> None:
    assert rule["tests"]
    for node in rule["tests"]:
        file, _, name = node.partition("::")
        assert (REPOSITORY / file).exists(), file
        assert name in names_in(file), node


@pytest.mark.parametrize("rule", RULES, ids=[rule["id"] for rule in RULES])
def test_every_named_test_cites_what_it_shows(rule: dict[str, Any]) -> None:
    quirk = rule["id"].startswith("T")
    cited = [rf"quirk {rule['id']}\b"] if quirk else [re.escape(each) + r"(?![\d.]*\d)" for each in sections_of(rule)]
    for node in rule["tests"]:
        file, _, name = node.partition("::")
        said = cites_of(file)[name]
        assert said, f"{node} cites nothing"
        assert not cited or any(re.search(each, text) for each in cited for text in said), (node, said)


def sections_of(rule: dict[str, Any]) -> list[str]:
    """Return the sections of the standard and the use cases of the whitepaper that a rule names; none for advice."""
    section: str = rule["section"]
    use_cases = re.findall(r"\b[A-Z]\d\d\b", section) if "whitepaper" in section else []
    return re.findall(r"§\d+(?:\.\d+)*|errata \d+\.\d+", section) + use_cases


@cache
def cites_of(file: str) -> dict[str, list[str]]:
    """Return what the tests of a file cite."""
    tree = ast.parse((REPOSITORY / file).read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: [text for each in node.decorator_list for text in _cited(each)] for node in functions}


def _cited(decorator: ast.expr) -> list[str]:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.req":
        return []
    return [each.value for each in decorator.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
