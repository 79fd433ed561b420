"""The committed corpus: ``corpus.json``, one line for each call, and the runtime that it belongs to."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from coprocessor.sandbox.python_guest import guest_digest
from coprocessor.sandbox.runtime import engine_version, release_runtimes
from tests.golden.play import Record

__all__ = ["PATH", "describe_runtime", "load", "render"]

PATH = Path(__file__).parent / "corpus.json"


def describe_runtime() -> dict[str, str]:
    """What decides outcomes and fuel: the corpus is made again when, and only when, this or a program changes."""
    guest = guest_digest()
    return {
        "engine": engine_version(),
        "guest": guest.hex(),
        "runtime": bytes(release_runtimes().first.id).hex(),
    }


@cache
def load() -> dict[str, Any]:
    """The corpus as it is committed."""
    content: dict[str, Any] = json.loads(PATH.read_text())
    return content


def render(records: dict[str, Record]) -> str:
    """The text of the file, so laid out that a changed call is a changed line."""
    lines = ["{"]
    lines += [f"{_json(name)}: {_json(value)}," for name, value in describe_runtime().items()]
    lines.append('"programs": {')
    for name, record in records.items():
        lines.append(f"{_json(name)}: {{")
        lines.append(f' "load": {_json(record["load"])}' + ("," if "calls" in record else ""))
        if "calls" in record:
            lines.append(' "calls": [')
            lines += [f"  {_json(call)}," for call in record["calls"]]
            lines[-1] = lines[-1].removesuffix(",")
            lines += [" ],", f' "root": {_json(record["root"])}']
        lines.append("},")
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, "}", "}"]) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
