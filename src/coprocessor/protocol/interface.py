"""A program's interface: which methods it has, how their arguments and results are written.

Python programs take a canonical JSON array and give canonical JSON. Raw WebAssembly programs take their parameters
packed one after the other, little-endian (``protocol.packed``). Both sides of a call use the same rules, so a wrong
argument is told to its author before it is sealed, by parameter and expected type.

**Source:** ``docs/specification/interface.md``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.codec import strict_json
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface_types import Json, Mismatch, Type, parse_type
from coprocessor.protocol.packed import PackedType, decode_packed, encode_packed, parse_packed_type
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.limits import MAX_ARGUMENT_BYTES

__all__ = ["MAX_INTERFACE", "UPGRADE_METHOD", "Interface", "Method", "Parameter", "parse_interface"]

MAX_INTERFACE = 256 * 1024
"""Bytes of an interface."""

UPGRADE_METHOD = "upgrade"
"""The command that the cluster itself runs, once, where new code takes the place of old (PROTOCOL 12)."""

_MAX_METHODS = 256
_KINDS = ("init", "command", "query", "request")
_NO_DEFAULT = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method; ``default`` is its encoded form, where there is one."""

    name: str
    kind: Type | PackedType
    default: Any = _NO_DEFAULT

    @property
    def is_required(self) -> bool:
        """Whether the caller must give it."""
        return self.default is _NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Args:
        name: as the program calls it.
        kind: ``init``, ``command``, ``query`` or ``request``.
        parameters: in order.
        returns: type of the result.
    """

    name: str
    kind: str
    parameters: tuple[Parameter, ...]
    returns: Type | PackedType

    @property
    def selector(self) -> bytes:
        """The four bytes by which a call names it."""
        return method_selector(self.name)

    @property
    def signature(self) -> str:
        """How it is shown to people: ``vote(choice: str) -> int``."""
        shown = [f"{parameter.name}: {parameter.kind.label}" for parameter in self.parameters]
        return f"{self.name}({', '.join(shown)}) -> {self.returns.label}"

    def encode_arguments(self, values: Sequence[Any] = (), named: Mapping[str, Any] | None = None) -> bytes:
        """The arguments' bytes from Python values, by position and by name.

        Raises:
            CallerMisuse: too many, missing or unknown arguments, or a value of another type (``interface.argument``).
        """
        return self._encode(self._bind(values, named or {}))

    def encode_words(self, words: Sequence[str] = (), named: Mapping[str, str] | None = None) -> bytes:
        """The arguments' bytes from words of a command line. Raises CallerMisuse as ``encode_arguments``."""
        bound = self._bind(words, named or {})
        return self._encode({name: self._read(name, word) for name, word in bound.items()})

    def decode_result(self, data: bytes) -> Any:
        """The Python value of a result's bytes.

        Raises:
            EvidenceRefused: the program answered with something else than its interface says (``interface.result``).
        """
        try:
            if isinstance(self.returns, PackedType):
                return decode_packed(self.returns, data)
            return self.returns.decode(strict_json.loads(data))
        except (Mismatch, MalformedInput) as error:
            why = f"expected {error.expected}, got {error.got}" if isinstance(error, Mismatch) else str(error)
            raise EvidenceRefused(
                "interface.result",
                f"the result of {self.name} is not what the interface says",
                why,
                "tell the program's author: its code and its interface differ",
            ) from error

    def _bind(self, values: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        names = [parameter.name for parameter in self.parameters]
        if len(values) > len(names):
            raise self._misuse(f"{len(values)} arguments for {len(names)} parameters")
        bound = dict(zip(names, values, strict=False))
        for name, value in named.items():
            if name not in names:
                raise self._misuse(f"there is no parameter {name!r}")
            if name in bound:
                raise self._misuse(f"{name} is given twice")
            bound[name] = value
        missing = [p.name for p in self.parameters if p.is_required and p.name not in bound]
        if missing:
            raise self._misuse(f"missing: {', '.join(missing)}")
        return bound

    def _read(self, name: str, word: str) -> Any:
        kind = next(parameter.kind for parameter in self.parameters if parameter.name == name)
        try:
            return kind.read(word)
        except Mismatch as mismatch:
            raise self._mismatch(name, mismatch) from mismatch

    def _encode(self, bound: Mapping[str, Any]) -> bytes:
        encoded: list[Any] = []
        for parameter in self.parameters:
            if parameter.name not in bound:
                encoded.append(parameter.default)
                continue
            try:
                encoded.append(parameter.kind.encode(bound[parameter.name]))
            except Mismatch as mismatch:
                raise self._mismatch(parameter.name, mismatch) from mismatch
        if isinstance(self.returns, PackedType):
            data = encode_packed([p.kind for p in self.parameters if isinstance(p.kind, PackedType)], encoded)
        else:
            data = _canonical(encoded)
        if len(data) > MAX_ARGUMENT_BYTES:
            raise self._misuse(f"{len(data)} bytes of arguments, the limit is {MAX_ARGUMENT_BYTES}")
        return data

    def _mismatch(self, name: str, mismatch: Mismatch) -> CallerMisuse:
        return self._misuse(f"{name}{mismatch.where}: expected {mismatch.expected}, got {mismatch.got}")

    def _misuse(self, why: str) -> CallerMisuse:
        what = f"{self.name} cannot be called so: {why}"
        return CallerMisuse("interface.argument", what, next=f"call {self.signature}")


@dataclass(frozen=True, slots=True)
class Interface:
    """What a program offers.

    Args:
        name: of the program's class or module.
        language: ``python`` or ``wasm``.
        methods: by name.
    """

    name: str
    language: str
    methods: Mapping[str, Method]

    def method(self, name: str, *kinds: str) -> Method:
        """The method called ``name``, of one of ``kinds`` where some are given.

        Raises:
            CallerMisuse: there is none (``interface.unknown_method``), or it is of another kind (``interface.kind``).
        """
        method = self.methods.get(name)
        if method is None:
            close = difflib.get_close_matches(name, self.methods, 1)
            offered = ", ".join(m.signature for m in self.methods.values() if m.kind != "init") or "nothing"
            hint = f"did you mean {close[0]}?" if close else f"it has {offered}"
            raise CallerMisuse("interface.unknown_method", f"{self.name} has no method {name!r}", next=hint)
        if kinds and method.kind not in kinds:
            raise CallerMisuse(
                "interface.kind",
                f"{name} is a {method.kind}, not a {' or '.join(kinds)}",
                next={
                    "query": f"ask it: phat query PROGRAM {name}",
                    "command": f"call it: phat call PROGRAM {name}",
                    "request": "smart contracts ask it through Inbox.request",
                    "init": "it runs once, at deployment",
                }[method.kind],
            )
        if name == UPGRADE_METHOD and method.kind == "command":
            raise CallerMisuse(
                "interface.kind", f"{name} cannot be called", next="it runs once, when this code takes the place of old"
            )
        return method

    @property
    def upgrade(self) -> Method | None:
        """What carries the state of the version before over, where the program has it."""
        method = self.methods.get(UPGRADE_METHOD)
        return method if method is not None and method.kind == "command" else None

    @property
    def init(self) -> Method | None:
        """The constructor, where the program has one."""
        return next((method for method in self.methods.values() if method.kind == "init"), None)


def parse_interface(data: bytes) -> Interface:
    """The interface that a code package carries.

    Raises:
        MalformedInput: it is not one (``interface.malformed``).
    """
    document = _parse_json(data)
    try:
        if type(document["abi"]) is not int or document["abi"] != 1:
            raise _malformed(f"guest ABI {document['abi']!r} is not known here")
        language, raw_methods = document["language"], document["methods"]
        if language not in ("python", "wasm") or len(raw_methods) > _MAX_METHODS:
            raise _malformed("the language is unknown, or there are too many methods")
        methods = [_parse_method(raw, language) for raw in raw_methods]
        name = document["name"]
        if not isinstance(name, str):
            raise _malformed("the program has no name")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _malformed(str(error)) from error
    by_name = {method.name: method for method in methods}
    if len(by_name) != len(methods):
        raise _malformed("two methods have one name")
    return Interface(name, language, by_name)


def _parse_json(data: bytes) -> Any:
    try:
        return strict_json.loads(data, MAX_INTERFACE)
    except MalformedInput as error:
        raise _malformed(error.why or error.what) from error


def _parse_method(raw: Any, language: str) -> Method:
    name, kind = raw["name"], raw["kind"]
    if not isinstance(name, str) or not name.isascii() or not name.isidentifier() or kind not in _KINDS:
        raise _malformed(f"a method is called {name!r} and is a {kind!r}")
    parameters = tuple(_parse_parameter(item, language) for item in raw["parameters"])
    method = Method(name, kind, parameters, _type(raw["returns"], language))
    if "selector" in raw and raw["selector"] != "0x" + method.selector.hex():
        raise _malformed(f"the selector of {name} is not that of its name")
    return method


def _parse_parameter(raw: Any, language: str) -> Parameter:
    if not isinstance(raw["name"], str):
        raise _malformed("a parameter has no name")
    kind = _type(raw["type"], language)
    if "default" not in raw:
        return Parameter(raw["name"], kind)
    return Parameter(raw["name"], kind, _default(raw["name"], kind, raw["default"]))


def _default(name: str, kind: Type | PackedType, raw: Json) -> Any:
    """What stands for a parameter that is not given, as it is encoded; an unusable one would fail calls later."""
    try:
        return kind.encode(raw if isinstance(kind, PackedType) else kind.decode(raw))
    except Mismatch as mismatch:
        raise _malformed(f"the default of {name}: expected {mismatch.expected}, got {mismatch.got}") from mismatch


def _type(raw: Json, language: str) -> Type | PackedType:
    return parse_packed_type(raw) if language == "wasm" else parse_type(raw)


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("interface.malformed", "the program's interface is not one", why)
