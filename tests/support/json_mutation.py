"""Every single-leaf mutation of a JSON document, for verifiers in which each value must matter."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]


def mutations(document: Any) -> Iterator[tuple[str, Any]]:
    """(what was done, the mutated document): leaves altered in several ways, keys and items deleted, added, doubled."""
    for path, value in _walk(document):
        shown = ".".join(str(step) for step in path)
        if isinstance(value, dict):
            yield f"add a key to {shown}", _edited(document, path, lambda node: node.update(added="0x00"))
            for name in value:
                yield f"delete {shown}.{name}", _edited(document, path, lambda node, name=name: node.pop(name))
        elif isinstance(value, list):
            yield f"append to {shown}", _edited(document, path, lambda node: node.append(node[-1] if node else 0))
            for at in range(len(value)):
                yield f"delete {shown}[{at}]", _edited(document, path, lambda node, at=at: node.pop(at))
        else:
            for other in _others(value):
                if type(other) is type(value) and other == value:
                    continue
                yield f"{shown}: {value!r:.30} -> {other!r:.30}", _replaced(document, path, other)


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield from (not value, int(value), None, "true")
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value ^ (1 << 40), float(value), str(value), bool(value), None)
    elif isinstance(value, str):
        yield from (value + "0", value + "00", value[:-1], value.upper(), " " + value, "", None, 0)
        for at in sorted({2, len(value) // 2, len(value) - 1}):
            if 0 <= at < len(value):
                yield value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    else:
        yield from ("", 0, False, {}, [])


def _walk(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, node
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _walk(child, (*path, name))
    elif isinstance(node, list):
        for at, child in enumerate(node):
            yield from _walk(child, (*path, at))


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def _edited(document: Any, path: Path, edit: Callable[[Any], Any]) -> Any:
    changed = copy.deepcopy(document)
    edit(_at(changed, path))
    return changed


def _replaced(document: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(document)
    _at(changed, path[:-1])[path[-1]] = value
    return changed
