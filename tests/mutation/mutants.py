"""Mutants of a module: its syntax tree with one thing changed."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


Change = tuple[str, str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change.

    Attributes:
        name: where and what, stable while the function stays as it is: ``function:place: before -> after``.
        line: in the source as it is now.
    """

    name: str
    line: int
    _source: str
    _place: int
    _change: object

    def tree(self) -> ast.Module:
        """Return the whole module, changed."""
        tree = ast.parse(self._source)
        _apply(_places(tree)[self._place][0], self._change)
        return ast.fix_missing_locations(tree)


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's ``source``. Documentation and type annotations are left alone."""
    within: Counter[str] = Counter()
    for place, (node, owner) in enumerate(_places(ast.parse(source))):
        number = within[owner]
        within[owner] += 1
        for before, after, change in _changes(node):
            yield Mutant(
                name=f"{owner}:{number}: {before} -> {after}",
                line=getattr(node, "lineno", 0),
                _source=source,
                _place=place,
                _change=change,
            )


def _places(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """Return every node that may change, with the name of the function or constant that it is in."""
    found: list[tuple[ast.AST, str]] = []

    def walk(node: ast.AST, owner: str) -> None:
        match node:
            case ast.FunctionDef():
                owner = node.name
                for each in node.body:
                    walk(each, owner)
                return
            case ast.ClassDef():
                for each in node.body:
                    if isinstance(each, ast.FunctionDef):
                        walk(each, f"{node.name}.{each.name}")
                return
            case ast.AnnAssign():
                name = node.target.id if isinstance(node.target, ast.Name) else owner
                if node.value is not None:
                    walk(node.value, name)
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Raise():
                return  # what an error says is not judged here; that it is raised, its condition decides
        found.append((node, owner))
        for child in ast.iter_child_nodes(node):
            walk(child, owner)

    for each in tree.body:
        if not isinstance(each, ast.Import | ast.ImportFrom):
            walk(each, "module")
    return found


def _changes(node: ast.AST) -> list[Change]:
    """Return (before, after, what to do) for every change of one node."""
    match node:
        case ast.Compare(ops=ops):
            return [
                (_short(node), f"{_sign(other)} at {place}", (place, other))
                for place, one in enumerate(ops)
                for other in _COMPARISONS.get(type(one), ())
            ]
        case ast.BoolOp(op=op):
            other = ast.Or if isinstance(op, ast.And) else ast.And
            return [(_short(node), other.__name__.lower(), other)]
        case ast.UnaryOp(op=ast.Not()):
            return [(_short(node), "without not", None)]
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            return [(_short(node), _OPERATORS[type(op)].__name__, _OPERATORS[type(op)])]
        case ast.Constant(value=bool() as value):
            return [(str(value), str(not value), not value)]
        case ast.Constant(value=int() | float() as value):
            return [(repr(value), repr(value + 1), value + 1), (repr(value), repr(value - 1), value - 1)]
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            return [(name, _CALLS[name], _CALLS[name])]
        case ast.Tuple(elts=elts) | ast.Set(elts=elts) if len(elts) > 1 and not isinstance(node, ast.Slice):
            return [(_short(node), f"without {_short(each)}", place) for place, each in enumerate(elts)]
        case ast.If(test=test) | ast.IfExp(test=test):
            return [(f"if {_short(test)}", "if True", True), (f"if {_short(test)}", "if False", False)]
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            return [(f"return {_short(value)}", "return None", None)]
    return []


def _apply(node: ast.AST, change: object) -> None:
    match node:
        case ast.Compare() if isinstance(change, tuple):
            place, other = change
            node.ops[place] = other()
        case ast.BoolOp() | ast.BinOp() if isinstance(change, type):
            node.op = change()
        case ast.UnaryOp():
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        case ast.Constant() if isinstance(change, bool | int | float):
            node.value = change
        case ast.Call() if isinstance(node.func, ast.Name):
            node.func.id = str(change)
        case ast.Tuple() | ast.Set() if isinstance(change, int):
            del node.elts[change]
        case ast.If() | ast.IfExp() if isinstance(change, bool):
            node.test = ast.Constant(value=change)
        case ast.Return():
            node.value = ast.Constant(value=None)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _sign(operator: type[ast.cmpop]) -> str:
    compared = ast.Compare(left=ast.Name("a"), ops=[operator()], comparators=[ast.Name("b")])
    return ast.unparse(compared)[2:-2]
