"""The mutation campaign itself: what it changes, that its list is up to date, and a slice of it."""

from __future__ import annotations

import ast

import pytest

from tests.mutation.campaign import TESTS, argued, judge, source_of
from tests.mutation.mutants import mutants_of

SAMPLE = '''
LIMIT: float = 3.0

def bounded(value: float, low: bool) -> bool:
    """Say something true."""
    if not low and value < LIMIT:
        return max(value, 1) == value
    return False
'''


def test_one_thing_is_changed_at_a_time_and_documentation_never() -> None:
    found = {mutant.name: ast.unparse(mutant.tree()) for mutant in mutants_of(SAMPLE)}
    assert len(set(found.values())) == len(found)
    assert all("Say something true." in text for text in found.values())
    said = "\n".join(found.values())
    for change in (
        "value <= LIMIT", "value > LIMIT", "not low or value", "not not low", "max(value, 2)", "min(value, 1)",
        "LIMIT: float = 4.0", "LIMIT: float = 2.0", "!= value", "return True", "if True:", "if False:", "return None",
    ):  # fmt: skip
        assert change in said, change


def test_names_are_unique_and_survive_a_line_more() -> None:
    names = [mutant.name for mutant in mutants_of(SAMPLE)]
    assert len(set(names)) == len(names)
    assert [mutant.name for mutant in mutants_of(f"# a line\n\n{SAMPLE}")] == names


def test_every_argued_survivor_is_a_mutant_that_there_is() -> None:
    known = {f"{module}:{mutant.name}" for module in TESTS for mutant in mutants_of(source_of(module))}
    assert set(argued()) <= known
    assert all(why.strip() for why in argued().values())


@pytest.mark.parametrize(
    ("module", "name", "test"),
    [
        ("agent.guard.interlock", "given.fault_free", "each_missing_permission_alone_keeps_it_open_and_says_why"),
        ("agent.guard.pilot", "MIN_OFFER_A:0: 6.0 -> 7.0", "duty"),
    ],
)
def test_a_slice_of_the_campaign_is_noticed(module: str, name: str, test: str) -> None:
    (mutant, *_) = [each for each in mutants_of(source_of(module)) if name in each.name]
    for changed, survives in ((mutant, False), (None, True)):
        (verdict,) = judge(module, [changed], tests=[TESTS[module][1][0], "-k", test], jobs=1)
        assert verdict.survived is survives
