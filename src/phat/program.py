"""A contract class made ready to be called: its methods, fields and events, and the interface that describes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, get_args, get_origin

from phat import abi, canonical
from phat.canonical import Json
from phat.contract import Contract, kind_of
from phat.errors import Refused
from phat.events import Event, event_schema
from phat.fields import Map, MapField, ValueField
from phat.hints import resolve_hints, schema_of
from phat.keccak import selector
from phat.map_keys import key_codec_of
from phat.schema import Mismatch, NullSchema, Schema
from phat.store import MISSING

__all__ = ["Method", "Parameter", "Program", "compile_contract"]

INTERFACE_VERSION = 1
INIT = "init"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method; ``default`` is ``MISSING`` when there is none."""

    name: str
    schema: Schema
    default: Any


@dataclass(frozen=True, slots=True)
class Method:
    """A callable method.

    Attributes:
        kind: ``command``, ``query``, ``request`` or ``init``.
        required: how many arguments must be given.
    """

    name: str
    kind: str
    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Schema
    required: int


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled contract: methods by selector, and the canonical interface."""

    contract: type[Contract]
    init: Method | None
    methods: dict[bytes, Method]
    interface: bytes


def compile_contract(contract: type[Contract], events: Iterable[type[Event]] = ()) -> Program:
    """Checks a contract class, installs its fields, and makes its interface.

    Args:
        contract: the class.
        events: typed events that the interface shall list.

    Raises:
        Refused: if a hint is missing or not supported, or a name is taken.
    """
    fields = [_install_field(contract, name, hint) for name, hint in _field_hints(contract).items()]
    methods = [_read_method(contract, name, function, kind) for name, function, kind in _decorated(contract)]
    by_selector: dict[bytes, Method] = {}
    for method in methods:
        if method.kind != INIT:
            twin = by_selector.setdefault(selector(method.name), method)
            if twin is not method:
                raise Refused(f"{method.name} and {twin.name} have the same selector: rename one of them")
    described: dict[str, Json] = {
        "abi": INTERFACE_VERSION,
        "language": "python",
        "name": contract.__name__,
        "methods": [_describe_method(method) for method in methods],
        "fields": fields,
        "events": [_describe_event(event) for event in sorted(events, key=lambda event: event.__name__)],
    }
    init = next((method for method in methods if method.kind == INIT), None)
    return Program(contract, init, by_selector, canonical.encode(described))


def _field_hints(contract: type[Contract]) -> dict[str, Any]:
    hints = resolve_hints(contract, contract.__name__)
    for name, hint in resolve_hints(Contract, "Contract").items():
        if hints.pop(name) != hint:
            raise Refused(f"{contract.__name__}.{name}: Contract uses this name: choose another for the field")
    return {name: hint for name, hint in hints.items() if not _is_class_variable(hint)}


def _is_class_variable(hint: Any) -> bool:
    return hint is ClassVar or get_origin(hint) is ClassVar


def _install_field(contract: type[Contract], name: str, hint: Any) -> Json:
    where = f"{contract.__name__}.{name}"
    if hasattr(Contract, name) or name.startswith("__") or not name.isascii():
        raise Refused(f"{where}: this name is taken or not ASCII: choose another for the field")
    current = getattr(contract, name, MISSING)
    if isinstance(current, ValueField | MapField):  # inherited by two contracts, or loaded before
        current = current.default if isinstance(current, ValueField) else MISSING
    if get_origin(hint) is Map:
        return _install_map(contract, name, hint, where, current)
    if hint is Map:
        raise Refused(f"{where}: say what the map holds: Map[str, int]")
    if callable(current) and not isinstance(current, type):
        raise Refused(f"{where}: a method and a field have the same name")
    schema = schema_of(hint, where)
    described: dict[str, Json] = {"name": name, "type": schema.describe()}
    if current is not MISSING:
        described["default"] = _encode_default(schema, current, where)
    setattr(contract, name, ValueField(name, schema, current))
    return described


def _install_map(contract: type[Contract], name: str, hint: Any, where: str, current: Any) -> Json:
    if current is not MISSING:
        raise Refused(f"{where}: a Map starts empty and takes no default: write '{name}: Map[...]'")
    key_hint, value_hint = get_args(hint)
    key, value = schema_of(key_hint, f"{where} key"), schema_of(value_hint, f"{where} value")
    setattr(contract, name, MapField(name, key_codec_of(key, where), value))
    return {"name": name, "type": {"map": [key.describe(), value.describe()]}}


def _decorated(contract: type[Contract]) -> list[tuple[str, Callable[..., Any], str]]:
    """Name, function and kind of each interface method, sorted by name."""
    found: list[tuple[str, Callable[..., Any], str]] = []
    for name in sorted(dir(contract)):
        function = inspect.getattr_static(contract, name)
        kind = kind_of(function)
        if name == INIT and inspect.isfunction(function):
            if kind is not None:
                raise Refused(f"{contract.__name__}.init needs no decorator: it runs once, when a program is made")
            found.append((name, function, INIT))
        elif kind is not None and inspect.isfunction(function):
            found.append((name, function, kind))
        elif kind is not None:
            raise Refused(f"{contract.__name__}.{name}: put @{kind} on a plain method")
        elif any(kind_of(vars(base).get(name)) for base in contract.__mro__):
            raise Refused(f"{contract.__name__}.{name} overrides an interface method: decorate it too")
    return found


def _read_method(contract: type[Contract], name: str, function: Callable[..., Any], kind: str) -> Method:
    where = f"{contract.__name__}.{name}"
    if hasattr(Contract, name) or name.startswith("_") or not name.isascii():
        raise Refused(f"{where}: an interface method has a public ASCII name that Contract does not use")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Refused(f"{where}: a method is a plain function, neither async nor a generator")
    hints = resolve_hints(function, where)
    _, *given = inspect.signature(function).parameters.values()
    parameters = tuple(_read_parameter(parameter, hints, where) for parameter in given)
    returns = _read_returns(hints, kind, where)
    method = Method(
        name, kind, function, parameters, returns, sum(parameter.default is MISSING for parameter in parameters)
    )
    if kind == "request":
        abi.check_method(method.name, [(p.name, p.schema) for p in parameters], returns)
    return method


def _read_parameter(parameter: inspect.Parameter, hints: dict[str, Any], where: str) -> Parameter:
    name = f"{where}({parameter.name})"
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise Refused(f"{name}: only plain parameters are possible, no *, ** or keyword-only ones")
    if parameter.name not in hints:
        raise Refused(f"{name}: the parameter has no type hint: write '{parameter.name}: int', for example")
    schema = schema_of(hints[parameter.name], name)
    if parameter.default is inspect.Parameter.empty:
        return Parameter(parameter.name, schema, MISSING)
    _encode_default(schema, parameter.default, name)
    return Parameter(parameter.name, schema, parameter.default)


def _read_returns(hints: dict[str, Any], kind: str, where: str) -> Schema:
    if "return" not in hints:
        if kind == INIT:
            return NullSchema()
        raise Refused(f"{where}: the result has no type hint: add '-> None' or the type that it returns")
    returns = schema_of(hints["return"], f"{where} result")
    if kind == INIT and not isinstance(returns, NullSchema):
        raise Refused(f"{where}: init returns nothing: write '-> None'")
    return returns


def _encode_default(schema: Schema, default: Any, where: str) -> Json:
    try:
        return schema.encode(default)
    except Mismatch as mismatch:
        raise Refused(mismatch.explain(f"{where}: the default")) from None


def _describe_method(method: Method) -> Json:
    parameters: list[Json] = []
    for parameter in method.parameters:
        described: dict[str, Json] = {"name": parameter.name, "type": parameter.schema.describe()}
        if parameter.default is not MISSING:
            described["default"] = parameter.schema.encode(parameter.default)
        parameters.append(described)
    result: dict[str, Json] = {
        "name": method.name,
        "kind": method.kind,
        "selector": "0x" + selector(method.name).hex(),
        "parameters": parameters,
        "returns": method.returns.describe(),
    }
    if method.kind == "request":
        result["abi_signature"] = abi.signature(method.name, [p.schema for p in method.parameters])
        result["abi_returns"] = abi.returns_signature(method.returns)
    return result


def _describe_event(event: type[Event]) -> Json:
    schema = event_schema(event)
    fields: list[Json] = [{"name": field.name, "type": field.schema.describe()} for field in schema.fields]
    return {"name": event.__name__, "fields": fields}
