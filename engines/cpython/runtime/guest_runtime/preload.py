"""The standard library of the guest. What is imported here is in the image; nothing can be imported later."""

from __future__ import annotations

import importlib

# What authors may import. docs/specification/python-guest.md lists the same, and a test compares them.
MODULES = """
__future__ abc array ast base64 binascii bisect calendar cmath codecs collections collections.abc colorsys
configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal difflib enum errno fnmatch
fractions functools graphlib gzip hashlib heapq hmac html html.entities html.parser inspect io ipaddress itertools
json keyword linecache locale logging math numbers operator os os.path pathlib pickle pprint queue quopri random re
reprlib secrets shlex stat statistics string string.templatelib stringprep struct sys textwrap threading time
token tokenize tomllib traceback types typing unicodedata urllib urllib.parse uuid warnings weakref
xml.etree.ElementTree zlib zoneinfo phat
""".split()  # noqa: SIM905

# Used by the modules above when they run, not when they are imported.
_BEHIND = """
_ast_unparse _bisect _blake2 _csv _datetime _decimal _elementtree _heapq _hmac _json _md5 _opcode _pickle _pydecimal
_pylong _queue _random _sha1 _sha2 _sha3 _statistics _string _strptime _struct _suggestions _symtable _zoneinfo pyexpat
encodings.ascii encodings.base64_codec encodings.cp1252 encodings.hex_codec encodings.idna encodings.latin_1
encodings.punycode encodings.raw_unicode_escape encodings.unicode_escape encodings.utf_16 encodings.utf_16_be
encodings.utf_16_le encodings.utf_32 encodings.utf_8_sig
phat.bundle phat.dispatch phat.program
""".split()  # noqa: SIM905


def run() -> None:
    """Imports everything.

    Raises:
        ImportError: if the build of CPython lacks a module; the build then fails.
    """
    for name in MODULES + _BEHIND:
        importlib.import_module(name)
