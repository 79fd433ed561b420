"""What lies on the host's disk opens exactly as what it was sealed as (PROTOCOL 5.8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.sandbox import runtime
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.rules import PRICES, RULES, Price
from coprocessor.sandbox.runtime import Runtime, engine_version
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache
from coprocessor.values.errors import CallerMisuse

KEY, RUNTIME, SOURCE, SALT = b"k" * 32, b"r" * 32, b"s" * 32, b"t" * 32
CONTENT = b"native code" * 20


@pytest.fixture
def cache() -> SealedCache:
    return SealedCache(KEY, RUNTIME)


def test_entry_opens_as_what_it_was(cache: SealedCache) -> None:
    entry = cache.seal(CacheKind.COMPILED, SOURCE, CONTENT, SALT)
    assert CONTENT[:11] not in entry
    assert cache.open(CacheKind.COMPILED, SOURCE, entry) == CONTENT
    assert SealedCache(KEY, RUNTIME).open(CacheKind.COMPILED, SOURCE, entry) == CONTENT


def test_entry_opens_as_nothing_else(cache: SealedCache) -> None:
    entry = cache.seal(CacheKind.COMPILED, SOURCE, CONTENT, SALT)
    assert cache.open(CacheKind.SNAPSHOT, SOURCE, entry) is None
    assert cache.open(CacheKind.COMPILED, b"x" * 32, entry) is None
    assert SealedCache(KEY, b"x" * 32).open(CacheKind.COMPILED, SOURCE, entry) is None
    assert SealedCache(b"x" * 32, RUNTIME).open(CacheKind.COMPILED, SOURCE, entry) is None


def test_every_flipped_byte_and_every_cut_is_a_miss(cache: SealedCache) -> None:
    entry = cache.seal(CacheKind.SNAPSHOT, SOURCE, CONTENT, SALT)
    for position in range(len(entry)):
        changed = bytearray(entry)
        changed[position] ^= 0x40
        assert cache.open(CacheKind.SNAPSHOT, SOURCE, bytes(changed)) is None
        assert cache.open(CacheKind.SNAPSHOT, SOURCE, entry[:position]) is None
    assert cache.open(CacheKind.SNAPSHOT, SOURCE, entry + b"\0") is None


def test_equal_contents_with_other_salts_share_no_bytes(cache: SealedCache) -> None:
    one = cache.seal(CacheKind.COMPILED, SOURCE, CONTENT, SALT)
    two = cache.seal(CacheKind.COMPILED, SOURCE, CONTENT, b"u" * 32)
    assert one[52:68] != two[52:68]


def test_misuse(cache: SealedCache) -> None:
    with pytest.raises(CallerMisuse):
        SealedCache(b"short", RUNTIME)
    with pytest.raises(CallerMisuse):
        cache.seal(CacheKind.COMPILED, SOURCE, CONTENT, b"short")
    with pytest.raises(CallerMisuse):
        cache.open(CacheKind.COMPILED, b"short", bytes(100))
    assert "redacted" in repr(cache)
    assert repr(KEY)[2:-1] not in repr(cache)


def test_runtime_id_names_engine_and_guests() -> None:
    plain = Runtime(engine_version(), ())
    assert len(plain.id) == 32
    assert plain.id == Runtime(engine_version(), ()).id
    one, two = ("python", b"1" * 32), ("javascript", b"2" * 32)
    assert len({Runtime("50.0.0", ()).id, replace(plain, guests=(one,)).id, plain.id}) == 3
    assert replace(plain, guests=(one, two)).id == replace(plain, guests=(two, one)).id


@pytest.mark.parametrize(
    "change",
    [
        {"load_fuel": 1},
        {"log_bytes": 1},
        {"state_write_bytes": 1},
        {"call_depth": 1},
        {"prices": {**PRICES, "sign": Price(1)}},
    ],
)
def test_runtime_id_names_every_rule(change: dict[str, Any]) -> None:
    plain = Runtime(engine_version(), ())
    assert replace(plain, rules=replace(RULES, **change)).id != plain.id


def test_runtime_id_names_what_the_cluster_alone_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Runtime(engine_version(), ()).id
    monkeypatch.setattr(runtime, "UPGRADE_SELECTOR", b"else")
    assert Runtime(engine_version(), ()).id != before


@pytest.mark.parametrize("change", [{"load_fuel": 0}, {"log_bytes": 2**16 + 1}, {"call_depth": 9}, {"prices": {}}])
def test_rules_stay_inside_what_the_release_encodes(change: dict[str, Any]) -> None:
    with pytest.raises(CallerMisuse):
        replace(RULES, **change)


def test_engine_version_is_the_pinned_one(engine: Engine) -> None:
    assert engine_version().split(".")[0] == "50"
