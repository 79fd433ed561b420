"""Ethereum ABI of schemas: arguments and results of requests.

| hint | ABI type |
|---|---|
| ``int`` | ``int256`` |
| ``Uint8`` … ``Int256`` | ``uint8`` … ``int256`` |
| ``bool``, ``str``, ``bytes`` | ``bool``, ``string``, ``bytes`` |
| ``Address``, ``Digest`` | ``address``, ``bytes32`` |
| ``list[T]`` | ``T[]`` |
| ``tuple[A, B]``, dataclass | ``(A,B)`` |
| ``Enum`` | ``uint8``, the member's place |

Decoding is strict: only the bytes that the encoder would have made are taken.

**Source:** Solidity documentation, "Contract ABI Specification", section "Formal Specification of the Encoding".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phat import schema
from phat.errors import Refused
from phat.schema import Mismatch, Schema

__all__ = ["check_method", "decode_arguments", "encode_result", "returns_signature", "signature"]

_WORD = 32
_DYNAMIC = (schema.StrSchema, schema.BytesSchema, schema.ListSchema)
_COMPOSITE = (schema.TupleSchema, schema.StructSchema)
_MAX_ENUM_MEMBERS = 256


def check_method(name: str, parameters: Sequence[tuple[str, Schema]], returns: Schema) -> None:
    """Checks that a request's types exist in the ABI.

    Raises:
        Refused: naming the parameter that does not.
    """
    for parameter, kind in parameters:
        _check(kind, f"{name}({parameter})")
    if not isinstance(returns, schema.NullSchema):
        _check(returns, f"{name} result")


def signature(name: str, parameters: Sequence[Schema]) -> str:
    """``name(uint256,address)``."""
    return f"{name}({','.join(type_name(parameter) for parameter in parameters)})"


def returns_signature(returns: Schema) -> str:
    """What a consumer decodes the result as: ``(uint256)``; a tuple hint gives several values, None gives ``()``."""
    return f"({','.join(type_name(item) for item in _result_items(returns))})"


def encode_result(returns: Schema, value: Any) -> bytes:
    """The ABI encoding of a result, as ``abi.encode(...)`` of Solidity would write it.

    Raises:
        Mismatch: if the value does not fit the hint.
    """
    if isinstance(returns, schema.NullSchema):
        returns.encode(value)
        return b""
    returns.encode(value)
    if isinstance(returns, schema.TupleSchema):
        return _encode_sequence(returns.items, value)
    return _encode_sequence((returns,), (value,))


def decode_arguments(parameters: Sequence[tuple[str, Schema]], data: bytes) -> list[Any]:
    """The arguments of a request.

    Raises:
        Mismatch: if ``data`` is not the ABI encoding of such arguments.
    """
    kinds = tuple(kind for _, kind in parameters)
    try:
        values, _ = _decode_sequence(kinds, data, 0)
    except (IndexError, ValueError):
        raise Mismatch("the ABI encoding of the parameters", f"{len(data)} bytes that are not") from None
    if _encode_sequence(kinds, values) != data:
        raise Mismatch("the canonical ABI encoding of the parameters", f"{len(data)} bytes that are not")
    return values


def type_name(kind: Schema) -> str:
    """The ABI name of a schema.

    Raises:
        Refused: if the ABI has no such type.
    """
    if isinstance(kind, schema.IntSchema):
        return kind.label if kind.bits else "int256"
    if isinstance(kind, schema.BoolSchema):
        return "bool"
    if isinstance(kind, schema.StrSchema):
        return "string"
    if isinstance(kind, schema.BytesSchema):
        return "bytes"
    if isinstance(kind, schema.FixedBytesSchema):
        return kind.label
    if isinstance(kind, schema.EnumSchema) and len(kind.members) <= _MAX_ENUM_MEMBERS:
        return "uint8"
    if isinstance(kind, schema.ListSchema):
        return type_name(kind.item) + "[]"
    if isinstance(kind, _COMPOSITE):
        return f"({','.join(type_name(item) for item in _items(kind))})"
    raise Refused(f"{kind.label} has no Ethereum ABI type")


def _check(kind: Schema, where: str) -> None:
    try:
        type_name(kind)
    except Refused as error:
        raise Refused(f"{where}: {error}, so smart contracts cannot use it: use @command or another type") from None


def _result_items(returns: Schema) -> tuple[Schema, ...]:
    if isinstance(returns, schema.NullSchema):
        return ()
    return returns.items if isinstance(returns, schema.TupleSchema) else (returns,)


def _items(kind: schema.TupleSchema | schema.StructSchema) -> tuple[Schema, ...]:
    if isinstance(kind, schema.TupleSchema):
        return kind.items
    return tuple(field.schema for field in kind.fields)


def _is_dynamic(kind: Schema) -> bool:
    if isinstance(kind, _DYNAMIC):
        return True
    return isinstance(kind, _COMPOSITE) and any(map(_is_dynamic, _items(kind)))


def _head_size(kind: Schema) -> int:
    """Bytes that a value takes in the head of the sequence it stands in."""
    if not isinstance(kind, _COMPOSITE) or _is_dynamic(kind):
        return _WORD
    return sum(map(_head_size, _items(kind)))


def _encode_sequence(kinds: Sequence[Schema], values: Sequence[Any]) -> bytes:
    head, tail = [], []
    position = sum(map(_head_size, kinds))
    for kind, value in zip(kinds, values, strict=True):
        encoded = _encode(kind, value)
        if _is_dynamic(kind):
            head.append(position.to_bytes(_WORD))
            tail.append(encoded)
            position += len(encoded)
        else:
            head.append(encoded)
    return b"".join(head + tail)


def _encode(kind: Schema, value: Any) -> bytes:
    if isinstance(kind, schema.IntSchema):
        if not -(1 << 255) <= value < (1 << 256 if kind.bits and kind.low == 0 else 1 << 255):
            raise Mismatch(type_name(kind), schema.found(value))
        return (int(value) % (1 << 256)).to_bytes(_WORD)
    if isinstance(kind, schema.BoolSchema):
        return int(value).to_bytes(_WORD)
    if isinstance(kind, schema.FixedBytesSchema):
        return bytes(value).ljust(_WORD, b"\0") if kind.label == "bytes32" else bytes(value).rjust(_WORD, b"\0")
    if isinstance(kind, schema.EnumSchema):
        return int(kind.members.index(value)).to_bytes(_WORD)
    if isinstance(kind, schema.ListSchema):
        return len(value).to_bytes(_WORD) + _encode_sequence([kind.item] * len(value), value)
    if isinstance(kind, schema.TupleSchema):
        return _encode_sequence(kind.items, value)
    if isinstance(kind, schema.StructSchema):
        return _encode_sequence(_items(kind), [getattr(value, field.name) for field in kind.fields])
    data = value.encode() if isinstance(value, str) else bytes(value)
    return len(data).to_bytes(_WORD) + data + bytes(-len(data) % _WORD)


def _decode_sequence(kinds: Sequence[Schema], data: bytes, base: int) -> tuple[list[Any], int]:
    """Values and where their tail ends. Tails must follow one another, so the work is linear in ``data``."""
    values: list[Any] = []
    position, tail = base, base + sum(map(_head_size, kinds))
    for kind in kinds:
        if _is_dynamic(kind):
            if base + _decode_size(data, position) != tail:
                raise ValueError("a tail that does not follow the one before")
            value, tail = _decode(kind, data, tail)
        else:
            value, _ = _decode(kind, data, position)
        values.append(value)
        position += _head_size(kind)
    return values, tail


def _decode(kind: Schema, data: bytes, position: int) -> tuple[Any, int]:
    if isinstance(kind, _COMPOSITE):
        values, end = _decode_sequence(_items(kind), data, position)
        return (tuple(values) if isinstance(kind, schema.TupleSchema) else kind.kind(*values)), end
    if isinstance(kind, schema.ListSchema):
        count = _decode_size(data, position)
        if count * _head_size(kind.item) > len(data) - position - _WORD:
            raise ValueError("more elements than bytes")
        return _decode_sequence([kind.item] * count, data, position + _WORD)
    if isinstance(kind, (schema.StrSchema, schema.BytesSchema)):
        start, size = position + _WORD, _decode_size(data, position)
        chunk = data[start : start + size]
        if len(chunk) != size:
            raise ValueError("truncated")
        return (chunk.decode() if isinstance(kind, schema.StrSchema) else chunk), start + size + -size % _WORD
    return _decode_word(kind, _word(data, position)), position + _WORD


def _decode_word(kind: Schema, word: bytes) -> Any:
    if isinstance(kind, schema.FixedBytesSchema):
        return kind.kind(word if kind.label == "bytes32" else word[_WORD - kind.kind.LENGTH :])
    number = int.from_bytes(word, signed=isinstance(kind, schema.IntSchema) and kind.low != 0)
    if isinstance(kind, schema.BoolSchema):
        return bool(number)
    if isinstance(kind, schema.EnumSchema):
        return kind.members[number]
    kind.encode(number)
    return number


def _decode_size(data: bytes, position: int) -> int:
    """An offset or a length; none that fits into ``data`` is larger than ``data``."""
    size = int.from_bytes(_word(data, position))
    if size > len(data):
        raise ValueError("offset or length outside the data")
    return size


def _word(data: bytes, position: int) -> bytes:
    word = data[position : position + _WORD]
    if len(word) != _WORD:
        raise ValueError("truncated")
    return word
