"""What this machine's libraries can do at best, called from Python with nothing of ours around them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import coincurve
import sha3
import wasmtime
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.network import TOKENS
from coprocessor.protocol.commands import method_selector
from coprocessor.sandbox.abi import CallFrame, FrameKind
from coprocessor.sandbox.fast_path import FastBackend, FastInstance
from coprocessor.values.limits import RAW_MEMORY_BYTES

__all__ = ["ecdsa_recover", "hpke_open", "keccak_of", "sha256_of", "wasmtime_call"]

_SEALED_BYTES = 148
_INFO_BYTES = 120
_TABLE_ELEMENTS = 65_536
_ABSENT = (1 << 64) - 1
_FUEL = 1 << 40


def hpke_open() -> Callable[[], Any]:
    """Opens a command's HPKE message: X25519, HKDF-SHA256, ChaCha20Poly1305."""
    key = X25519PrivateKey.generate()
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    sealed = suite.encrypt(bytes(_SEALED_BYTES), key.public_key(), info=bytes(_INFO_BYTES))
    return lambda: suite.decrypt(sealed, key, info=bytes(_INFO_BYTES))


def ecdsa_recover() -> Callable[[], Any]:
    """Recovers a secp256k1 public key from a signature over 32 bytes."""
    digest = hashlib.sha256(b"bench").digest()
    signature = coincurve.PrivateKey(digest).sign_recoverable(digest, hasher=None)
    return lambda: coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)


def sha256_of(length: int) -> Callable[[], Any]:
    """SHA-256 of so many bytes."""
    data = bytes(length)
    return lambda: hashlib.sha256(data).digest()


def keccak_of(length: int) -> Callable[[], Any]:
    """Keccak-256 of so many bytes."""
    data = bytes(length)
    return lambda: sha3.keccak_256(data).digest()


def wasmtime_call() -> Callable[[], Any]:
    """A fresh instance of the C token and one call through the engine's C interface, straight from memory to memory.

    The module is as its compiler made it, without our instrumentation; reads find nothing, writes go nowhere. MUST be
    called on a guest stack.
    """
    config = wasmtime.Config()
    config.consume_fuel = True
    engine = wasmtime.Engine(config)
    module = wasmtime.Module(engine, TOKENS["raw"].path.read_bytes())
    backend = FastBackend(engine, dict.fromkeys(_IMPORTS, _find_nothing))
    prepared = backend.prepare(module, RAW_MEMORY_BYTES, _TABLE_ELEMENTS)
    frame = CallFrame(
        kind=FrameKind.QUERY, selector=method_selector("balance_of"), arguments=bytes(range(20))
    ).encode()

    def call() -> bytes:
        live: FastInstance = prepared.instantiate(False)
        try:
            live.set_fuel(_FUEL)
            pointer = live.allocate(len(frame))
            live.write(pointer, frame)
            packed = live.call(pointer, len(frame))
            return live.read(packed >> 32, packed & 0xFFFFFFFF)
        finally:
            live.close()

    return call


_IMPORTS = ("kv_get", "kv_set", "kv_delete", "kv_scan", "log", "derive_key", "sign", "random", "call")


def _find_nothing(*arguments: Any) -> int:
    return _ABSENT
