"""Where in the lab's code a name stands."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def line_of(place: str) -> int:
    """The line of a place, which is a file, a colon, and a function, a class or "Class.method" in it. Raises KeyError where the file has no such name."""
    path, _, name = place.partition(":")
    return _lines(path)[name]


@cache
def _lines(path: str) -> dict[str, int]:
    found: dict[str, int] = {}

    def walk(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[f"{prefix}{node.name}"] = node.lineno
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")

    walk(ast.parse((ROOT / path).read_text("utf-8")).body, "")
    return found
