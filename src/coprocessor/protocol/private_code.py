"""Private code: a package sealed to a cluster, as it is published, and the commitment to what is inside.

Rules enforced here:
1. Sealed code opens for the owner, cluster, epoch and network that it was sealed for, and nowhere else: all of them,
   the commitment and every byte that stands in clear are part of the HPKE ``info`` (PROTOCOL 4.1 for code). A copy is
   dead code, never an oracle.
2. The commitment binds to the source, not to the seal: SHA-256 over salt and content digest; whoever opens the seal
   MUST compare (``OpenedCode.matches``).
3. The salt is derived from the owner's key, so the owner stores nothing (as PROTOCOL 6.1 for reply secrets).
4. What is sealed is padded to few sizes (PROTOCOL 5.7).

Constructor arguments are sealed to the same key, bound to the program's id, which pins owner, code, cluster and salt.

**Source:** docs/specification/private-code.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from coprocessor.codec import cbor, strict_json
from coprocessor.crypto import hpke
from coprocessor.crypto.hashing import hmac_sha256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.interface import MAX_INTERFACE, parse_interface
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, checked_digest

__all__ = [
    "MAX_PRIVATE_CODE",
    "MAX_SEALED_PACKAGE",
    "SALT_LENGTH",
    "CodePlace",
    "OpenedCode",
    "PrivateCode",
    "compute_commitment",
    "decode_private_code",
    "derive_code_salt",
    "is_private_code",
    "open_code",
    "public_interface",
    "seal_code",
]

SALT_LENGTH: Final = 32

MAX_SEALED_PACKAGE: Final = 2 << 20
"""Bytes of the package inside."""

MAX_PRIVATE_CODE: Final = 3 << 20
"""Bytes of the whole as it is published."""

_MAGIC: Final = b"phat-private-1\n"
"""Public packages are zlib streams, which never begin so."""

_SMALLEST_BUCKET, _COARSE_BUCKET = 4096, 65_536
_HEADER: Final = SALT_LENGTH + 4
_FIELDS: Final = frozenset(("cluster", "commitment", "epoch", "interface", "language", "owner", "sealed"))
_METHOD_FIELDS: Final = ("name", "kind", "selector", "returns", "abi_signature", "abi_returns")


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where private code may run, and for whom.

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        epoch: of the code key.
        owner: 20 bytes, the account that instantiates it.
    """

    network: NetworkId
    cluster: ClusterId
    epoch: int
    owner: Address


@dataclass(frozen=True, slots=True)
class PrivateCode:
    """Private code as it is published: everything but ``sealed`` is for all to read.

    Args:
        cluster: 32 bytes.
        epoch: of the code key that it is sealed to.
        owner: 20 bytes.
        commitment: 32 bytes, ``compute_commitment``.
        language: as in the package.
        interface: what callers need, ``public_interface``.
        sealed: HPKE of salt and package, padded.
    """

    cluster: ClusterId
    epoch: int
    owner: Address
    commitment: Digest
    language: str
    interface: bytes
    sealed: bytes

    def __post_init__(self) -> None:
        checked_digest(self.cluster, "cluster")
        checked_digest(self.commitment, "commitment")
        if len(self.owner) != 20 or not 0 < self.epoch < 1 << 64:
            raise _malformed("owner or epoch of the private code is none")
        if len(self.interface) > MAX_INTERFACE or len(self.language) > 16:
            raise _malformed("the interface or the language is too long")

    def encode(self) -> bytes:
        """The bytes that are published."""
        return _MAGIC + cbor.dumps({**self._clear(), "sealed": self.sealed})

    def info(self, network: NetworkId) -> bytes:
        """The HPKE info string (rule 1)."""
        clear = sha256(_MAGIC + cbor.dumps(self._clear()))
        epoch = self.epoch.to_bytes(8, "big")
        return Label.SEALED_CODE.context(network, self.cluster, epoch, self.owner, self.commitment, clear)

    def _clear(self) -> dict[str, Any]:
        return {
            "cluster": self.cluster,
            "commitment": self.commitment,
            "epoch": self.epoch,
            "interface": self.interface,
            "language": self.language,
            "owner": self.owner,
        }


@dataclass(frozen=True, slots=True)
class OpenedCode:
    """What the seal held: the salt (32 bytes) and the package. Prints redacted."""

    salt: bytes
    package: bytes

    def __repr__(self) -> str:
        return "OpenedCode(redacted)"


def is_private_code(published: bytes) -> bool:
    """Whether published bytes claim to be private code rather than a public package."""
    return published.startswith(_MAGIC)


def decode_private_code(published: bytes) -> PrivateCode:
    """Reads published private code; strict.

    Raises:
        MalformedInput: too long, not canonical, or a field is missing, unknown or of another type.
    """
    if not is_private_code(published) or len(published) > MAX_PRIVATE_CODE:
        raise _malformed(f"{len(published)} bytes are too many, or do not begin as private code does")
    content = cbor.loads(published[len(_MAGIC) :], MAX_PRIVATE_CODE)
    if not isinstance(content, dict) or set(content) != _FIELDS:
        raise _malformed("it does not have exactly its seven fields")
    if type(content["epoch"]) is not int or type(content["language"]) is not str:
        raise _malformed("epoch or language has another type")
    if any(type(content[name]) is not bytes for name in _FIELDS - {"epoch", "language"}):
        raise _malformed("a field has another type")
    return PrivateCode(**content)


def compute_commitment(salt: bytes, content: bytes) -> Digest:
    """What stands on the chain: SHA-256 over salt (32 bytes) and content digest (32 bytes).

    Raises:
        CallerMisuse: the salt has another length.
    """
    if len(salt) != SALT_LENGTH:
        raise CallerMisuse("code.salt", f"a salt has {SALT_LENGTH} bytes, not {len(salt)}")
    return Digest(sha256(Label.CODE_COMMITMENT.context(b"", salt, content)))


def derive_code_salt(owner: PrivateKey, network: NetworkId, cluster: ClusterId, content: bytes) -> bytes:
    """The 32-byte salt of an owner's code on a cluster (rule 3); without it a commitment tells nothing."""
    return hmac_sha256(owner.secret, Label.CODE_SALT.context(network, cluster, content))


def seal_code(
    package: bytes, commitment: Digest, salt: bytes, clear: tuple[str, bytes], place: CodePlace, code_key: bytes
) -> PrivateCode:
    """A package sealed to a cluster; fresh entropy each time.

    Args:
        package: at most MAX_SEALED_PACKAGE bytes.
        commitment: of ``salt`` and the package's content.
        salt: 32 bytes.
        clear: language, and the public interface.
        place: where and for whom it shall run.
        code_key: 32 bytes, the cluster's code key of ``place.epoch``.

    Raises:
        CallerMisuse: the package is too long.
        MalformedInput: the key is not usable.
    """
    if len(package) > MAX_SEALED_PACKAGE:
        raise CallerMisuse("code.size", f"a private package has at most {MAX_SEALED_PACKAGE} bytes, not {len(package)}")
    language, interface = clear
    bare = PrivateCode(place.cluster, place.epoch, place.owner, commitment, language, interface, b"")
    plaintext = salt + len(package).to_bytes(4, "big") + package
    padded = plaintext + bytes(_bucket(len(plaintext)) - len(plaintext))
    sealed = hpke.seal(padded, code_key, bare.info(place.network))
    return PrivateCode(place.cluster, place.epoch, place.owner, commitment, language, interface, sealed)


def open_code(code: PrivateCode, place: CodePlace, code_key: hpke.SealingKey) -> OpenedCode:
    """What is inside; ``place`` is what the chain says, never what the record claims. The caller MUST compare the
    commitment with the content.

    Raises:
        EvidenceRefused: sealed for another place, key or clear text.
        MalformedInput: the padding is not canonical.
    """
    if (code.cluster, code.epoch, code.owner) != (place.cluster, place.epoch, place.owner):
        raise EvidenceRefused("code.foreign", "the code is sealed for another owner, cluster or epoch")
    plaintext = code_key.open(code.sealed, code.info(place.network))
    end = _HEADER + int.from_bytes(plaintext[SALT_LENGTH:_HEADER], "big")
    if end > len(plaintext) or len(plaintext) != _bucket(end) or any(plaintext[end:]):
        raise MalformedInput("code.padding", "the padding of the sealed code is not canonical")
    return OpenedCode(plaintext[:SALT_LENGTH], plaintext[_HEADER:end])


def public_interface(interface: bytes) -> bytes:
    """What callers need of an interface: methods with their parameters and types. Constructor, defaults, state fields
    and events stay private, and with them whatever else an author may have written there.

    Raises:
        MalformedInput: it is no interface.
    """
    parse_interface(interface)
    document = strict_json.loads(interface, MAX_INTERFACE)
    methods = [
        {name: method[name] for name in _METHOD_FIELDS if name in method}
        | {"parameters": [{"name": item["name"], "type": item["type"]} for item in method["parameters"]]}
        for method in document["methods"]
        if method["kind"] != "init"
    ]
    public = {
        "abi": document["abi"],
        "language": document["language"],
        "name": document["name"],
        "methods": methods,
        "fields": [],
        "events": [],
    }
    text = json.dumps(public, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def _bucket(size: int) -> int:
    """The size to which so many bytes are padded: a power of two from 4 KiB to 64 KiB, then multiples of 64 KiB."""
    bucket = _SMALLEST_BUCKET
    while bucket < size and bucket < _COARSE_BUCKET:
        bucket *= 2
    return max(bucket, -(-size // bucket) * bucket)


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("code.malformed", "the published private code cannot be read", why)
