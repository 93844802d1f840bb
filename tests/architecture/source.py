"""The product's source as trees, read once: what the rules of this directory look at."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One file of `app/`."""

    path: str  # from the repository's root
    text: str
    tree: ast.Module

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Calls whose function is written as one of `names`, such as `outbox.put` or `say`."""
        for node in self.nodes():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
                yield node

    def at(self, node: ast.AST) -> str:
        """`app/room/module.py:12`, to be clicked on."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}"

    def constant(self, name: str) -> str | None:
        """The text that a name of this module stands for."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
            if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
        return None


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product."""
    found = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def patterns(module: Module, node: ast.expr) -> list[str] | None:
    """What a text may be, as regular expressions; a hole of an f-string is any word. None: it cannot be told."""
    match node:
        case ast.Constant(value=str(said)):
            return [_escaped(said)]
        case ast.JoinedStr(values=parts):
            return [
                "".join(_escaped(str(p.value)) if isinstance(p, ast.Constant) else r"[\w.-]+" for p in parts)
            ]
        case ast.IfExp(body=one, orelse=other):
            first, second = patterns(module, one), patterns(module, other)
            return None if first is None or second is None else first + second
        case ast.Name(id=name):
            stands_for = module.constant(name)
            return None if stands_for is None else [_escaped(stands_for)]
    return None


def _escaped(said: str) -> str:
    return said.replace(".", r"\.")
