"""The functions of module ``phat``: pointers and lengths checked, fuel charged, limits enforced, then the service
called.

A pointer and a length come from a guest that may be hostile, so each is read as unsigned and checked against the
memory's present size. Work of the host costs fuel before it is done, by the prices of the runtime (``rules``).
"""

from __future__ import annotations

import struct
from typing import Final

from coprocessor.sandbox.faults import GuestFault
from coprocessor.sandbox.instrumentation import DEPTH_EXPORT
from coprocessor.sandbox.live import HostFunction, LiveInstance
from coprocessor.sandbox.rules import Price
from coprocessor.sandbox.services import HostServices
from coprocessor.values.errors import InternalError
from coprocessor.values.limits import (
    MAX_ARGUMENT_BYTES,
    MAX_KEY_BYTES,
    MAX_LOG_BYTES,
    MAX_PURPOSE_BYTES,
    MAX_RANDOM_BYTES,
    MAX_SCAN_ENTRIES,
    MAX_VALUE_BYTES,
)

__all__ = ["ABSENT", "HOST_FUNCTIONS"]

ABSENT: Final = (1 << 64) - 1
"""-1 as an unsigned 64-bit integer."""

_U32: Final = struct.Struct("<I")
_LOG_LEVELS: Final = 4
_DIGEST_BYTES: Final = 32
_PROGRAM_BYTES: Final = 32
_SELECTOR_BYTES: Final = 4


def _services(live: LiveInstance) -> HostServices:
    if live.services is None:
        raise InternalError("sandbox.no_services", "a guest called the host before its services were set")
    return live.services


def _price(live: LiveInstance, name: str) -> Price:
    return _services(live).rules.prices[name]


def _charge(live: LiveInstance, name: str, moved: int) -> None:
    price = _price(live, name)
    live.charge(price.base + price.per_byte * moved)


def _key(live: LiveInstance, pointer: int, length: int) -> bytes:
    if not 0 < length <= MAX_KEY_BYTES:
        raise GuestFault(f"a key has 1 to {MAX_KEY_BYTES} bytes, not {length}")
    return live.read(pointer, length)


def _kv_get(live: LiveInstance, key_pointer: int, key_length: int) -> int:
    key = _key(live, key_pointer, key_length)
    _charge(live, "kv_get", key_length)
    value = _services(live).kv_get(key)
    if value is None:
        return ABSENT
    live.charge(_price(live, "kv_get").per_byte * len(value))
    return live.pass_in(value)


def _kv_set(live: LiveInstance, key_pointer: int, key_length: int, value_pointer: int, value_length: int) -> None:
    key = _key(live, key_pointer, key_length)
    if value_length > MAX_VALUE_BYTES:
        raise GuestFault(f"a value has at most {MAX_VALUE_BYTES} bytes, not {value_length}")
    value = live.read(value_pointer, value_length)
    _charge(live, "kv_set", key_length + value_length)
    _services(live).kv_set(key, value)


def _kv_delete(live: LiveInstance, key_pointer: int, key_length: int) -> None:
    key = _key(live, key_pointer, key_length)
    _charge(live, "kv_delete", key_length)
    _services(live).kv_delete(key)


def _kv_scan(
    live: LiveInstance, prefix_pointer: int, prefix_length: int, start_pointer: int, start_length: int, limit: int
) -> int:
    if prefix_length > MAX_KEY_BYTES or start_length > MAX_KEY_BYTES:
        raise GuestFault(f"prefix and start of a scan have at most {MAX_KEY_BYTES} bytes")
    prefix, start = live.read(prefix_pointer, prefix_length), live.read(start_pointer, start_length)
    _charge(live, "kv_scan", prefix_length + start_length)
    found = _services(live).kv_scan(prefix, start, min(limit, MAX_SCAN_ENTRIES))
    parts = [_U32.pack(len(found.entries))]
    for key, value in found.entries:
        parts += [_U32.pack(len(key)), key, _U32.pack(len(value)), value]
    page = b"".join(parts)
    live.charge(_price(live, "kv_scan_entry").base * found.visited + _price(live, "kv_scan").per_byte * len(page))
    return live.pass_in(page)


def _log(live: LiveInstance, level: int, pointer: int, length: int) -> None:
    if level >= _LOG_LEVELS:
        raise GuestFault(f"log level {level} is unknown")
    _charge(live, "log", min(length, MAX_LOG_BYTES))
    _services(live).log(level, live.read(pointer, length))


def _derive_key(live: LiveInstance, pointer: int, length: int) -> int:
    if length > MAX_PURPOSE_BYTES:
        raise GuestFault(f"a key's purpose has at most {MAX_PURPOSE_BYTES} bytes, not {length}")
    purpose = live.read(pointer, length)
    _charge(live, "derive_key", length)
    return live.pass_in(_services(live).derive_key(purpose))


def _sign(live: LiveInstance, pointer: int, length: int) -> int:
    if length != _DIGEST_BYTES:
        raise GuestFault(f"a digest to sign has {_DIGEST_BYTES} bytes, not {length}")
    digest = live.read(pointer, length)
    _charge(live, "sign", 0)
    return live.pass_in(_services(live).sign(digest))


def _random(live: LiveInstance, length: int) -> int:
    if length > MAX_RANDOM_BYTES:
        raise GuestFault(f"one call of random gives at most {MAX_RANDOM_BYTES} bytes, not {length}")
    _charge(live, "random", length)
    return live.pass_in(_services(live).random(length))


def _call(live: LiveInstance, program_pointer: int, input_pointer: int, input_length: int) -> int:
    if not _SELECTOR_BYTES <= input_length <= _SELECTOR_BYTES + MAX_ARGUMENT_BYTES:
        raise GuestFault(f"a call's input has 4 to {_SELECTOR_BYTES + MAX_ARGUMENT_BYTES} bytes, not {input_length}")
    program = live.read(program_pointer, _PROGRAM_BYTES)
    payload = live.read(input_pointer, input_length)
    _charge(live, "call", input_length)
    reply, fuel = _services(live).call_program(program, payload, live.get_fuel(), live.get_global(DEPTH_EXPORT))
    live.charge(fuel)
    live.charge(_price(live, "call").per_byte * len(reply))
    return live.pass_in(reply)


HOST_FUNCTIONS: Final[dict[str, HostFunction]] = {
    "kv_get": _kv_get,
    "kv_set": _kv_set,
    "kv_delete": _kv_delete,
    "kv_scan": _kv_scan,
    "log": _log,
    "derive_key": _derive_key,
    "sign": _sign,
    "random": _random,
    "call": _call,
}
"""By the name under which a guest imports them; their types are in ``validation``."""
