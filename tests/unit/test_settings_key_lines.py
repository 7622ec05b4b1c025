"""Lines of keys in TOML texts."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.settings.example import example_text
from agent.settings.key_lines import KeyPath, key_lines
from tests.unit.station_files import SMALL, TWO_EVSES


def test_tables_keys_lists_and_inline_tables_are_found() -> None:
    text = '''\
a = 1 # [not.a.table]
"quoted key" = "b = 2"
[t.u] # comment
x.y = { p = 1, q = [ { r = 2 } ] }
list = [
  1, # first ]
  "two, ]",
  [3, 4],
]
long = """
z = 1
[no]
\\""" """
last = 1979-05-27T07:32:00
[[many]]
n = 1
[[many.inner]]
m = 1
[[many]]
'literal' = 'x'
[[many.inner]]
[many.inner.deep]
k = 0
'''
    tomllib.loads(text)
    assert key_lines(text) == {
        ("a",): 1,
        ("quoted key",): 2,
        ("t",): 3,
        ("t", "u"): 3,
        ("t", "u", "x"): 4,
        ("t", "u", "x", "y"): 4,
        ("t", "u", "x", "y", "p"): 4,
        ("t", "u", "x", "y", "q"): 4,
        ("t", "u", "x", "y", "q", 0): 4,
        ("t", "u", "x", "y", "q", 0, "r"): 4,
        ("t", "u", "list"): 5,
        ("t", "u", "list", 0): 6,
        ("t", "u", "list", 1): 7,
        ("t", "u", "list", 2): 8,
        ("t", "u", "list", 2, 0): 8,
        ("t", "u", "list", 2, 1): 8,
        ("t", "u", "long"): 10,
        ("t", "u", "last"): 14,
        ("many",): 15,
        ("many", 0): 15,
        ("many", 0, "n"): 16,
        ("many", 0, "inner"): 17,
        ("many", 0, "inner", 0): 17,
        ("many", 0, "inner", 0, "m"): 18,
        ("many", 1): 19,
        ("many", 1, "literal"): 20,
        ("many", 1, "inner"): 21,
        ("many", 1, "inner", 0): 21,
        ("many", 1, "inner", 0, "deep"): 22,
        ("many", 1, "inner", 0, "deep", "k"): 23,
    }


def _paths(value: Any, path: KeyPath) -> list[KeyPath]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, child in children for each in _paths(child, (*path, key)))]


def test_every_key_of_real_files_is_found_where_it_stands() -> None:
    for text in (SMALL, TWO_EVSES, example_text()):
        found = key_lines(text)
        lines = text.splitlines()
        for path in _paths(tomllib.loads(text), ())[1:]:
            names = [part for part in path if isinstance(part, str)]
            assert names[-1] in lines[found[path] - 1]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab=.,[]{}\"'\\#\n \t1é", max_size=60))
def test_any_text_is_scanned_to_its_end(text: str) -> None:
    found = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    assert set(_paths(document, ())[1:]) <= set(found)
