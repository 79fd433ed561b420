"""The owner's side of private programs: sealing code and constructor arguments to a cluster, and showing later which
source it was (docs/specification/private-code.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from coprocessor.client.programs import InputKey
from coprocessor.client.published_code import PublishedCode
from coprocessor.codec import strict_json
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.private_code import (
    SALT_LENGTH,
    CodePlace,
    PrivateCode,
    compute_commitment,
    derive_code_salt,
    public_interface,
    seal_code,
)
from coprocessor.protocol.sealed_init import InitPlace, seal_init
from coprocessor.protocol.system import compute_program_id
from coprocessor.sandbox.package import CodePackage, compute_content_digest, encode_package
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address, ClusterId, CodeHash, Digest, NetworkId, from_hex, to_hex
from coprocessor.values.network import Network

__all__ = [
    "Comparison",
    "Instance",
    "Opening",
    "SealedPackage",
    "compare_code",
    "decode_opening",
    "derive_opening",
    "read_opening",
    "seal_arguments",
    "seal_package",
    "write_opening",
]

_FORMAT = "coprocessor/v1/code-opening"
_MAX_OPENING_FILE = 4096


@dataclass(frozen=True, slots=True)
class Opening:
    """What lets anybody check a source against a commitment: give it away only to show that source.

    Args:
        commitment: 32 bytes, as it stands on the chain.
        salt: 32 bytes.
    """

    commitment: Digest
    salt: bytes

    def __repr__(self) -> str:
        return f"Opening(commitment={to_hex(self.commitment)}, salt=redacted)"


@dataclass(frozen=True, slots=True)
class SealedPackage:
    """Private code ready to be published, and what opens its commitment."""

    code: PrivateCode
    opening: Opening


@dataclass(frozen=True, slots=True)
class Instance:
    """What the id of a program is made of: owner (20 bytes), code, cluster, salt and upgrade policy (32 bytes each)."""

    owner: Address
    code_hash: CodeHash
    cluster: ClusterId
    salt: bytes
    policy: bytes


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether a program was made from a source.

    Args:
        matches: it was.
        expected: 32 bytes, what the chain has: content digest of public code, commitment of private code.
        found: the same of the source.
    """

    matches: bool
    expected: bytes
    found: bytes


def derive_opening(network: NetworkId, package: CodePackage, owner: PrivateKey, cluster: ClusterId) -> Opening:
    """The opening that an owner's key gives for a package; nothing need be stored for it."""
    content = compute_content_digest(package)
    salt = derive_code_salt(owner, network, cluster, content)
    return Opening(compute_commitment(salt, content), salt)


def seal_package(
    network: NetworkId, package: CodePackage, owner: PrivateKey, cluster: ClusterId, code_key: InputKey
) -> SealedPackage:
    """The package sealed for an owner's programs on a cluster.

    Raises:
        CallerMisuse: the package is too long.
    """
    opening = derive_opening(network, package, owner, cluster)
    place = CodePlace(network, cluster, code_key.epoch, owner.address)
    clear = (package.language, public_interface(package.interface))
    commitment = opening.commitment
    code = seal_code(encode_package(package), commitment, opening.salt, clear, place, code_key.key)
    return SealedPackage(code, opening)


def seal_arguments(arguments: bytes, network: Network, instance: Instance, code_key: InputKey) -> bytes:
    """Constructor arguments sealed for the one program that ``Programs.instantiate`` will make; none stay none.

    Raises:
        CallerMisuse: too long (``init.size``).
    """
    if not arguments:
        return arguments
    configuration = network.configuration
    programs = configuration.contract("Programs").address
    program = compute_program_id(
        configuration.chain_id,
        programs,
        instance.owner,
        instance.code_hash,
        instance.cluster,
        instance.salt,
        instance.policy,
    )
    place = InitPlace(compute_network_id(network), instance.cluster, code_key.epoch, program)
    return seal_init(arguments, place, code_key.key)


def compare_code(
    network: NetworkId, code: PublishedCode, package: CodePackage, opening: Opening | PrivateKey | None
) -> Comparison:
    """Whether published code was made from the source that ``package`` was built from.

    Args:
        network: 32 bytes.
        code: as it was published.
        package: of the source.
        opening: for private code: its owner's key, or an opening that the owner gave away.

    Raises:
        CallerMisuse: private code, and neither (``code.opening_needed``), or an opening of other code
            (``code.other_opening``).
    """
    content = compute_content_digest(package)
    if code.private is None:
        assert code.package is not None
        expected = compute_content_digest(code.package)
        return Comparison(content == expected, expected, content)
    if isinstance(opening, PrivateKey) and opening.address == code.private.owner:
        opening = derive_opening(network, package, opening, code.private.cluster)
    elif isinstance(opening, Opening):
        _check_opening(opening, code.private)
    else:
        raise CallerMisuse(
            "code.opening_needed",
            f"the code is private to {to_hex(code.private.owner)}, so a source alone cannot be compared",
            "the commitment is salted",
            "name the owner's key (--key FILE), or an opening that the owner gave away (--opening FILE)",
        )
    commitment = code.private.commitment
    found = compute_commitment(opening.salt, content)
    return Comparison(found == commitment, commitment, found)


def _check_opening(opening: Opening, code: PrivateCode) -> None:
    if opening.commitment != code.commitment:
        raise CallerMisuse(
            "code.other_opening",
            f"the opening is for commitment {to_hex(opening.commitment)}, the program has {to_hex(code.commitment)}",
            next="take the opening of this program",
        )


def write_opening(path: Path, opening: Opening, disk: Disk = PLAIN_DISK) -> None:
    """Writes an opening for others, readable by its owner alone until it is given away.

    Raises:
        CallerMisuse: the file is there (``code.opening_file``).
        DiskFailed: it cannot be written.
    """
    fields = {"format": _FORMAT, "commitment": to_hex(opening.commitment), "salt": to_hex(opening.salt)}
    text = json.dumps(fields, indent=1) + "\n"
    if not disk.create(PersistPoint.CLIENT_OPENING, path, text.encode("ascii")):
        raise CallerMisuse("code.opening_file", f"{path} is there already", next="name a new file")


def read_opening(path: Path) -> Opening:
    """An opening that ``write_opening`` wrote.

    Raises:
        CallerMisuse: there is no such file (``code.opening_file``).
        MalformedInput: as ``decode_opening``.
    """
    try:
        with path.open("rb") as file:
            return decode_opening(file.read(_MAX_OPENING_FILE + 1))
    except OSError as error:
        raise CallerMisuse("code.opening_file", f"{path} cannot be read", str(error)) from error


def decode_opening(data: bytes) -> Opening:
    """The opening that a file holds. Raises MalformedInput (``code.opening``)."""
    try:
        fields = strict_json.loads(data, _MAX_OPENING_FILE)
        if set(fields) != {"format", "commitment", "salt"} or fields["format"] != _FORMAT:
            raise MalformedInput("code.opening", "the file has other fields than an opening")
        commitment = Digest(from_hex(fields["commitment"], 32, "commitment"))
        return Opening(commitment, from_hex(fields["salt"], SALT_LENGTH, "salt"))
    except (MalformedInput, TypeError) as error:
        raise MalformedInput("code.opening", "the file holds no opening of a commitment", str(error)) from error
