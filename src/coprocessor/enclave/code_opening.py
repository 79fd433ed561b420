"""From published bytes to a package that may be loaded, public or private (docs/specification/private-code.md).

Rules enforced here:
1. Private code is opened with what the chain says of its instance: this network and cluster, the link's owner, an epoch
   whose keys are held. Nothing of the record is believed (PROTOCOL 4.1).
2. What is inside must be what the record commits to: content digest, language, and the interface that callers read.
3. Whatever is wrong, everybody learns the same constant text. The text is a function of history, as the output is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coprocessor.crypto.hpke import SealingKey
from coprocessor.protocol.private_code import (
    CodePlace,
    compute_commitment,
    decode_private_code,
    is_private_code,
    open_code,
    public_interface,
)
from coprocessor.protocol.sealed_init import InitPlace, is_sealed_init, open_init
from coprocessor.protocol.system import Instantiation
from coprocessor.sandbox.package import CodePackage, compute_content_digest, decode_package
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, GuestFailed
from coprocessor.values.identities import ClusterId, NetworkId

__all__ = ["CodeOpener", "constructor_failed", "not_runnable", "upgrade_failed"]


def _not_opened() -> EvidenceRefused:
    return EvidenceRefused(
        "code.not_opened",
        "the private code does not open for this instance",
        "it is sealed for another owner, cluster, epoch or network, or it is not what its record says",
        "deploy it again from its source",
    )


def not_runnable() -> GuestFailed:
    """Private code opened and cannot be a program."""
    return GuestFailed("code.not_runnable", "the private code opens, and cannot be loaded")


def constructor_failed() -> GuestFailed:
    """The constructor of a private program, or one with sealed arguments, failed."""
    return GuestFailed("code.constructor", "the constructor failed; its words are not public")


def upgrade_failed(place: str, is_private: bool) -> GuestFailed:
    """The method ``upgrade`` of new code failed. Its words may hold state, so nobody reads them; where in public code
    it was, the owner may know (PROTOCOL 13)."""
    return GuestFailed("code.upgrade", f"the method upgrade failed{'' if is_private else place}; the old code goes on")


@dataclass(frozen=True, slots=True)
class CodeOpener:
    """Opens code and constructor arguments for one cluster.

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        code_keys: by epoch, newest first: of those whose inputs are taken at the link (PROTOCOL 8.3), so that all
            replicas agree, whichever keys they hold.
    """

    network: NetworkId
    cluster: ClusterId
    code_keys: Mapping[int, SealingKey]

    def open(self, published: bytes, origin: Instantiation) -> CodePackage:
        """The package to load.

        Raises:
            MalformedInput: a public package that is none; the text tells why.
            EvidenceRefused: private code that does not open or is not what it claims; always the same text.
        """
        if not is_private_code(published):
            return decode_package(published)
        try:
            return self._open_private(published, origin)
        except CoprocessorError:
            raise _not_opened() from None

    def _open_private(self, published: bytes, origin: Instantiation) -> CodePackage:
        record = decode_private_code(published)
        key = self.code_keys.get(record.epoch)
        if key is None:
            raise _not_opened()
        opened = open_code(record, CodePlace(self.network, self.cluster, record.epoch, origin.owner), key)
        package = decode_package(opened.package)
        commitment = compute_commitment(opened.salt, compute_content_digest(package))
        if (commitment, package.language) != (record.commitment, record.language):
            raise _not_opened()
        if public_interface(package.interface) != record.interface:
            raise _not_opened()
        return package

    def open_init(self, origin: Instantiation) -> bytes:
        """The constructor's arguments, opened where they are sealed.

        Raises:
            EvidenceRefused: they do not open; always the same text.
        """
        if not is_sealed_init(origin.init):
            return origin.init
        for epoch, key in self.code_keys.items():
            try:
                return open_init(origin.init, InitPlace(self.network, self.cluster, epoch, origin.program), key)
            except CoprocessorError:
                continue
        raise EvidenceRefused(
            "init.not_opened",
            "the sealed constructor arguments do not open for this program",
            next="deploy it again",
        )
