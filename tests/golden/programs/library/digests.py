"""Hashes and message codes: SHA-2, SHA-3, BLAKE2, MD5, HMAC, PBKDF2, Keccak, and a Merkle tree built from them."""

from __future__ import annotations

import hashlib
import hmac
import zlib

from phat import Contract, keccak256, query

# > digests ["abc"]
# > digests [""]
# > merkle [["a", "b", "c", "d", "e"]]
# > codes ["key", "message"]
# > streaming [1000]
# > unknown ["md6"]
# > mined ["block", 10]


class Digests(Contract):
    @query
    def digests(self, text: str) -> dict[str, str]:
        data = text.encode()
        names = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "blake2s"]
        said = {name: hashlib.new(name, data).hexdigest()[:32] for name in names}
        return said | {
            "shake": hashlib.shake_128(data).hexdigest(8),
            "keccak": keccak256(data).hex(),
            "crc": f"{zlib.crc32(data):08x}",
            "adler": str(zlib.adler32(data)),
        }

    @query
    def merkle(self, leaves: list[str]) -> str:
        level = [hashlib.sha256(leaf.encode()).digest() for leaf in leaves]
        while len(level) > 1:
            level += level[-1:] * (len(level) % 2)
            level = [hashlib.sha256(left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]
        return level[0].hex()

    @query
    def codes(self, key: str, message: str) -> list[str]:
        code = hmac.new(key.encode(), message.encode(), "sha256")
        keyed = hashlib.blake2b(message.encode(), key=key.encode(), digest_size=16, salt=b"salt", person=b"phat")
        return [
            code.hexdigest(),
            keyed.hexdigest(),
            str(hasattr(hashlib, "pbkdf2_hmac")),
            str(hmac.compare_digest("a", "b")),
        ]

    @query
    def streaming(self, pieces: int) -> list[str]:
        one = hashlib.sha256()
        for number in range(pieces):
            one.update(str(number).encode())
            if number == pieces // 2:
                half = one.copy()
        return [half.hexdigest(), one.hexdigest(), f"{one.name} {one.block_size} {one.digest_size}"]

    @query
    def unknown(self, name: str) -> str:
        return hashlib.new(name).hexdigest()

    @query
    def mined(self, text: str, bits: int) -> int:
        nonce = 0
        while int.from_bytes(hashlib.sha256(f"{text}{nonce}".encode()).digest()[:4], "big") >> (32 - bits):
            nonce += 1
        return nonce
