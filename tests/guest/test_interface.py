"""The interface that a load returns, against the documented vector, and the standard library that is promised."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.guest.worlds import GuestWorld, World, command

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT / "docs" / "specification"
VECTORS = json.loads((ROOT / "vectors" / "interface.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_vectors(world: World, vector: dict[str, object]) -> None:
    assert isinstance(vector["source"], str)
    assert world.load(vector["source"]).interface == vector["interface"]


def promised_modules() -> list[str]:
    """The fenced list of the specification."""
    page = (SPECIFICATION / "python-guest.md").read_text()
    block = re.search(r"```modules\n(.*?)```", page, re.DOTALL)
    assert block is not None
    return block[1].split()


def test_the_page_lists_what_is_preloaded() -> None:
    source = (ROOT / "engines/cpython/runtime/guest_runtime/preload.py").read_text()
    block = re.search(r'MODULES = """\n(.*?)"""', source, re.DOTALL)
    assert block is not None
    assert promised_modules() == block[1].split()


def test_every_promised_module_can_be_imported(guest_world: GuestWorld) -> None:
    imports = "\n".join(f"import {name}" for name in promised_modules() if name != "__future__")
    source = f"{imports}\nfrom phat import *\nclass C(Contract):\n  @command\n  def f(self) -> int: return 1\n"
    assert command(guest_world.load(source), "f").value == 1


LIBRARY = {
    "csv": "import csv, io; r = list(csv.reader(io.StringIO('a,b\\n1,2\\n')))",
    "decimal": "import decimal; r = str(decimal.Decimal('1.10') + 1)",
    "difflib": "import difflib; r = difflib.get_close_matches('appel', ['apple'])",
    "gzip": "import gzip; r = gzip.decompress(gzip.compress(b'x', mtime=0)).decode()",
    "html": "import html; r = html.escape('<')",
    "ipaddress": "import ipaddress; r = str(ipaddress.ip_network('10.0.0.0/8').num_addresses)",
    "match": "r = [x for x in [1]][0]\nmatch {'a': 1}:\n  case {'a': v}: r = v",
    "pickle": "import pickle; r = pickle.loads(pickle.dumps({'a': 1}))",
    "queue": "import queue; q = queue.Queue(); q.put(1); r = q.get()",
    "statistics": "import statistics; r = statistics.median([3, 1, 2])",
    "string": "import string; r = string.Template('$a').substitute(a=1)",
    "struct": "import struct; r = struct.pack('<I', 1).hex()",
    "tomllib": "import tomllib; r = tomllib.loads('a = 1')",
    "unicodedata": "import unicodedata; r = unicodedata.normalize('NFC', 'e\\u0301')",
    "urllib": "from urllib.parse import quote; r = quote('a b')",
    "xml": "import xml.etree.ElementTree as E; r = E.fromstring('<a><b/></a>')[0].tag",
    "zlib": "import zlib; r = zlib.crc32(b'a')",
    "encodings": "r = 'é'.encode('utf-16-le').hex() + 'é'.encode('latin-1').hex() + 'é'.encode('cp1252').hex()",
    "idna": "r = 'bücher.de'.encode('idna').decode()",
    "asynchronous code by hand": "async def f(): return 5\ntry: f().send(None)\nexcept StopIteration as e: r = e.value",
    "generics": "def f[T](x: T) -> T: return x\nr = f(3)",
    "template strings": "name = 'x'; r = t'{name}'.interpolations[0].value",
}  # fmt: skip
EXPECTED = {
    "csv": [["a", "b"], ["1", "2"]], "decimal": "2.10", "difflib": ["apple"], "gzip": "x", "html": "&lt;",
    "ipaddress": "16777216", "match": 1, "pickle": {"a": 1}, "queue": 1, "statistics": 2, "string": "1",
    "struct": "01000000", "tomllib": {"a": 1}, "unicodedata": "é", "urllib": "a%20b", "xml": "b", "zlib": 3904355907,
    "encodings": "e900e9e9", "idna": "xn--bcher-kva.de", "asynchronous code by hand": 5, "generics": 3,
    "template strings": "x",
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_works_inside_a_call(guest_world: GuestWorld, name: str) -> None:
    source = (
        "import json\nfrom phat import *\nclass C(Contract):\n  @command\n  def f(self, code: str) -> str:\n"
        "    names = {}\n    exec(code, names)\n    return json.dumps(names['r'])\n"
    )
    assert json.loads(command(guest_world.load(source), "f", LIBRARY[name]).value) == EXPECTED[name]
