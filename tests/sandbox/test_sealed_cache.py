"""What lies on the host's disk opens exactly as what it was sealed as (PROTOCOL 5.8)."""

from __future__ import annotations

import pytest

from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.runtime import compute_runtime_id, engine_version
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
    plain = compute_runtime_id(engine_version(), ())
    assert len(plain) == 32
    assert plain == compute_runtime_id(engine_version(), ())
    one, two = b"1" * 32, b"2" * 32
    others = {compute_runtime_id("50.0.0", ()), compute_runtime_id(engine_version(), (one,)), plain}
    assert len(others) == 3
    assert compute_runtime_id("x", (one, two)) == compute_runtime_id("x", (two, one))


def test_engine_version_is_the_pinned_one(engine: Engine) -> None:
    assert engine_version().split(".")[0] == "50"
