"""Writes ``errors.md``: every error code in the source, what it means and what to do next.

    python docs/make_errors.py            write the page
    python docs/make_errors.py --check    exit status 1 where the page is not what the source says

Codes are read from the syntax trees: the calls that make errors, with their texts; ``…`` stands for a value.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "coprocessor"
PAGE = ROOT / "docs" / "errors.md"

_CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_NO_ERRORS = ("getLogger", "files", "_read_resource", "_options", "import_module")
"""Functions whose texts look like codes and are none."""

_FAMILIES = {
    "MalformedInput": "malformed",
    "EvidenceRefused": "evidence",
    "GuestFailed": "guest",
    "PeerUnreachable": "peer",
    "TransactionFailed": "peer",
    "CallerMisuse": "misuse",
    "DiskFailed": "disk",
    "StartFailed": "misuse",
    "InternalError": "internal",
}

_HEAD = """# Error codes

Every error that a public function raises, a process answers or `phat --json` prints carries a stable code. It says what
happened (`what`), why, and what to do next. `…` stands for a value. This page is made from the source by
`docs/make_errors.py`; a test compares the two.

| family | whose doing it is | what to do, where nothing better is said |
|---|---|---|
| malformed | bytes or values from outside do not have their form | get them again: they were cut, altered or are old |
| evidence | a proof, signature, quote or header does not hold | ask another node or worker: it is behind or lies |
| guest | a program failed by its own doing | read its message; tell its author |
| peer | a node, worker or gatekeeper does not answer | try again; look with `phat status` and `phat doctor` |
| misuse | something was asked for that cannot be done as asked | ask otherwise |
| disk | the machine's disk is full, damaged or may not be written | mend that, then start again |
| internal | a broken promise of our own code | it is a bug: report it with the code and the message |

Void rules (`void.*`) stand in public outputs: the item had no effect and used no nonce (PROTOCOL 3.2).
"""

_SAID_ELSEWHERE = {
    "devnode.rpc": "the development chain refuses a request; JSON-RPC has the number and the words",
    "enclave.reply": "an enclave answered with another message than was due",
    "guest.reverted": "the program refused; the message is its own",
    "http.method": "the route takes other methods",
    "http.not_found": "the host has no such route",
    "http.refused": "a host does not take the request",
    "http.too_long": "the body of the request is longer than a host takes",
    "receipt.no_anchor": "the receipt is sound, but no network is pinned that it could be measured against",
    "void.deadline": "the deadline lies more than a day ahead of the link's block",
    "void.late": "the deadline had passed when the item came into the inbox",
    "void.program": "no living program has this handle or id",
    "void.replayed": "the author's nonce was used before",
    "void.sealed": "it does not open: sealed to another program, epoch or origin, or altered",
    "void.upgrade": "the method upgrade is run by the cluster alone, where new code takes the place of old",
    "void.signature": "the author's signature inside is malformed",
}
"""Codes whose calls do not say in words what happened."""


class Use(NamedTuple):
    """One place where a code is used."""

    code: str
    family: str
    what: str
    next: str


def main() -> int:
    """Writes or checks the page; exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = make_page()
    if parser.parse_args().check:
        is_same = PAGE.exists() and PAGE.read_text("utf-8") == text
        sys.stdout.write("errors.md is up to date\n" if is_same else "errors.md differs: run docs/make_errors.py\n")
        return 0 if is_same else 1
    PAGE.write_text(text, "utf-8")
    return 0


def make_page() -> str:
    """The whole page."""
    uses: dict[str, list[Use]] = {code: [] for code in _SAID_ELSEWHERE}
    for use in find_uses():
        uses.setdefault(use.code, []).append(use)
    groups: dict[str, list[str]] = {}
    for code in sorted(uses):
        groups.setdefault(code.split(".")[0], []).append(_row(code, uses[code]))
    parts = [_HEAD]
    for group, rows in groups.items():
        parts.append(f"## {group}\n\n| code | family | what | next |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def find_uses() -> Iterator[Use]:
    """Every use of a code in the source."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _uses_of_call(node, constants)


def _uses_of_call(call: ast.Call, constants: dict[str, str]) -> Iterator[Use]:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in _NO_ERRORS:
        return
    for at, argument in enumerate(call.args):
        code = _code(argument, constants)
        if code is not None:
            rest = call.args[at + 1 :]
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            what = named.get("what") or (rest[0] if rest else None)
            following = named.get("next") or (rest[2] if len(rest) > 2 else None)
            yield Use(code, _FAMILIES.get(name, ""), _text(what, constants), _text(following, constants))


def _code(node: ast.expr, constants: dict[str, str]) -> str | None:
    text = constants.get(node.id) if isinstance(node, ast.Name) else getattr(node, "value", None)
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


def _constants(tree: ast.Module) -> dict[str, str]:
    """Module-level names that hold a text."""
    return {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def _text(node: ast.expr | None, constants: dict[str, str]) -> str:
    """The text of a literal, with ``…`` for what is only known at run time; nothing for other expressions."""
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _row(code: str, uses: list[Use]) -> str:
    families = " ".join(dict.fromkeys(use.family for use in uses if use.family))
    whats = [_SAID_ELSEWHERE[code]] if code in _SAID_ELSEWHERE else []
    whats += [what for what in dict.fromkeys(use.what for use in uses) if what and not _CODE.fullmatch(what)]
    nexts = [following for following in dict.fromkeys(use.next for use in uses) if following]
    cells = (f"`{code}`", families, "; ".join(whats[:3]), "; ".join(nexts[:2]))
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
