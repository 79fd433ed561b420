"""Targets of private programs: sealed code, sealed constructor arguments, and what opens them."""

from __future__ import annotations

import json

from coprocessor.client.private_code import decode_opening
from coprocessor.crypto import hpke
from coprocessor.enclave.code_opening import CodeOpener
from coprocessor.protocol import sealed_init
from coprocessor.protocol.interface import MAX_INTERFACE
from coprocessor.protocol.private_code import (
    MAX_SEALED_PACKAGE,
    CodePlace,
    PrivateCode,
    compute_commitment,
    decode_private_code,
    open_code,
    public_interface,
    seal_code,
)
from coprocessor.protocol.sealed_init import InitPlace, open_init, seal_init
from coprocessor.protocol.system import Instantiation
from coprocessor.sandbox.package import CodePackage, compute_content_digest, decode_package, encode_package
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, CodeHash, Digest, ProgramId
from tests.fuzz.target import MALFORMED, REFUSED, Target, Unsound
from tests.fuzz.targets_sandbox import package
from tests.protocol import samples
from tests.support.byte_mutation import join_parts, split_parts
from tests.vectors.private_code import INTERFACE

_OWNER = Address(b"\x21" * 20)
_PLACE = CodePlace(samples.NETWORK, samples.CLUSTER, 1, _OWNER)
_INIT = InitPlace(samples.NETWORK, samples.CLUSTER, 1, samples.PROGRAM)
_KEY = samples.INPUT_KEY
_SALT = bytes(32)


def _opener() -> CodeOpener:
    return CodeOpener(samples.NETWORK, samples.CLUSTER, {1: _KEY})


def _origin(init: bytes = b"") -> Instantiation:
    return Instantiation(samples.PROGRAM, 1, _OWNER, CodeHash(bytes(32)), bytes(32), 1, (ProgramId(bytes(32)),), init)


def _sealed(code: CodePackage) -> PrivateCode:
    commitment = compute_commitment(_SALT, compute_content_digest(code))
    clear = (code.language, public_interface(code.interface))
    return seal_code(encode_package(code), commitment, _SALT, clear, _PLACE, _KEY.public_key)


def _published() -> list[bytes]:
    return [_sealed(package()).encode()]


def _open(data: bytes) -> None:
    open_code(decode_private_code(data), _PLACE, _KEY)


def _content(data: bytes) -> None:
    """What stands behind the cipher: any bytes, sealed properly."""
    code = _sealed(package())
    sealed = hpke.seal(data, _KEY.public_key, code.info(samples.NETWORK))
    published = PrivateCode(
        code.cluster, code.epoch, code.owner, code.commitment, code.language, code.interface, sealed
    )
    open_code(published, _PLACE, _KEY)


def _run(data: bytes) -> None:
    if _opener().open(data, _origin()) != package():
        raise Unsound("other code opens")


def _init_content(data: bytes) -> None:
    head = sealed_init._MAGIC + (1).to_bytes(8, "big")
    open_init(head + hpke.seal(data, _KEY.public_key, _INIT.info()), _INIT, _KEY)


def _padded() -> list[bytes]:
    return [_KEY.open(_sealed(package()).sealed, _sealed(package()).info(samples.NETWORK))]


def _init_padded() -> list[bytes]:
    sealed = seal_init(b"arguments", _INIT, _KEY.public_key)
    return [_KEY.open(sealed[len(sealed_init._MAGIC) + 8 :], _INIT.info())]


def _inside(data: bytes) -> None:
    """Language, interface, salt and package as a hostile owner may choose them: sealed well, so that everything behind
    the seal is reached."""
    language, interface, salt, packed = [*split_parts(data)[:4], b"", b"", b"", b""][:4]
    salt, packed = salt.ljust(32, b"\0")[:32], packed[:MAX_SEALED_PACKAGE]
    clear = (language.decode("latin-1")[:16], interface[:MAX_INTERFACE])
    code = seal_code(packed, _commitment(salt, packed), salt, clear, _PLACE, _KEY.public_key)
    try:
        opened = _opener().open(code.encode(), _origin())
    except EvidenceRefused as error:
        if error.code != "code.not_opened":
            raise Unsound(f"an enclave tells more than that it does not open: {error.code}") from error
        raise
    if public_interface(opened.interface) != code.interface:
        raise Unsound("callers are shown another interface")


def _commitment(salt: bytes, packed: bytes) -> Digest:
    """The right one, where there is one."""
    try:
        return compute_commitment(salt, compute_content_digest(decode_package(packed)))
    except MALFORMED:
        return Digest(bytes(32))


def _inside_seeds() -> list[bytes]:
    code = package()
    return [join_parts([code.language.encode(), public_interface(code.interface), _SALT, encode_package(code)])]


def _interface(data: bytes) -> None:
    public = public_interface(data)
    if public_interface(public) != public:
        raise Unsound("a public interface holds more than it may")


_OPENING = {"format": "coprocessor/v1/code-opening", "commitment": "0x" + "00" * 32, "salt": "0x" + "11" * 32}

PRIVATE_TARGETS = (
    Target(
        "private-code",
        _open,
        _published,
        errors=REFUSED,
        covers=("protocol.private_code.decode_private_code", "protocol.private_code.open_code"),
    ),
    Target("private-code-content", _content, _padded, errors=REFUSED),
    Target("code-opener", _run, _published, errors=REFUSED, covers=("enclave.code_opening.CodeOpener.open",)),
    Target(
        "sealed-init",
        lambda data: open_init(data, _INIT, _KEY),
        lambda: [seal_init(b"arguments", _INIT, _KEY.public_key)],
        errors=REFUSED,
        covers=("protocol.sealed_init.open_init",),
    ),
    Target("sealed-init-content", _init_content, _init_padded, errors=REFUSED),
    Target(
        "opened-init",
        lambda data: _opener().open_init(_origin(data)),
        lambda: [b"clear", seal_init(b"arguments", _INIT, _KEY.public_key)],
        errors=REFUSED,
        covers=("enclave.code_opening.CodeOpener.open_init",),
    ),
    Target("private-code-inside", _inside, _inside_seeds, errors=REFUSED),
    Target("public-interface", _interface, lambda: [INTERFACE, package().interface]),
    Target("code-opening", decode_opening, lambda: [json.dumps(_OPENING).encode()]),
)
