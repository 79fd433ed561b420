"""Layout of AWS Nitro attestation documents: COSE_Sign1 around a CBOR map.

The outer structure is in deterministic CBOR, so that a document has one form; what is inside is signed and read as the
hypervisor writes it (its map has no length). The reader knows the few types that documents use, bounds everything, and
refuses doubled keys.

**Source:** AWS Nitro Enclaves documentation, "Attestation process" (document structure and its limits); RFC 9052,
sections 4.2 and 4.4; RFC 8949.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coprocessor.attestation.evidence import MAX_QUOTE_LENGTH
from coprocessor.codec import cbor
from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_CERTIFICATE_LENGTH", "NitroDocument", "parse_document", "read_cbor"]

MAX_CERTIFICATE_LENGTH: Final = 1024
"""Bytes of a certificate in a document."""

_MAX_PCRS: Final = 32
_MAX_BUNDLE: Final = 6
_MAX_BOUND: Final = 1024
_MAX_DEPTH: Final = 3
_ES384: Final = cbor.dumps({1: -35})
_SIGNATURE: Final = 96
_PCR_LENGTH: Final = 48
_BREAK: Final = 0xFF
_NULL: Final = 0xF6


@dataclass(frozen=True, slots=True)
class NitroDocument:
    """What a document says.

    Args:
        signed: the bytes that are signed (COSE ``Sig_structure``).
        payload: the document inside, which names the evidence.
        signature: 96 bytes, ``r || s``.
        module_id: names of instance and enclave.
        timestamp: milliseconds since 1970, by the hypervisor's clock.
        pcrs: measurements by number, 48 bytes each.
        certificate: DER, of the key that signed.
        bundle: DER, from the root down to the certificate's issuer.
        public_key, user_data, nonce: what the enclave bound, None where it did not.
    """

    signed: bytes
    payload: bytes
    signature: bytes
    module_id: str
    timestamp: int
    pcrs: dict[int, bytes]
    certificate: bytes
    bundle: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None


def parse_document(data: bytes) -> NitroDocument:
    """The document that ``data`` is; its signature is not checked.

    Raises:
        MalformedInput: ``attestation.malformed`` or ``attestation.trailing_bytes``.
    """
    protected, payload, signature = _parse_envelope(data)
    fields = read_cbor(payload)
    match fields:
        case {
            "module_id": str(module_id),
            "digest": "SHA384",
            "timestamp": int(timestamp),
            "pcrs": dict(pcrs),
            "certificate": bytes(certificate),
            "cabundle": [bytes(), *_] as bundle,
        }:
            pass
        case _:
            raise _malformed("a field is missing or has another type")
    if not pcrs or len(pcrs) > _MAX_PCRS or not all(_is_pcr(number, value) for number, value in pcrs.items()):
        raise _malformed("the measurements are not numbered 0 to 31, with 48 bytes each")
    if len(bundle) > _MAX_BUNDLE or not all(_is_certificate(one) for one in (certificate, *bundle)):
        raise _malformed("the certificates are too many or too long")
    bound = [fields.get(name) for name in ("public_key", "user_data", "nonce")]
    if not all(value is None or (isinstance(value, bytes) and len(value) <= _MAX_BOUND) for value in bound):
        raise _malformed("bound data are too long or no bytes")
    signed = cbor.dumps(["Signature1", protected, b"", payload])
    return NitroDocument(
        signed, payload, signature, module_id, timestamp, pcrs, certificate, tuple(bundle), bound[0], bound[1], bound[2]
    )


def _parse_envelope(data: bytes) -> tuple[bytes, bytes, bytes]:
    try:
        envelope = cbor.loads(data, MAX_QUOTE_LENGTH)
    except MalformedInput as error:
        raise _malformed(error.why or error.what) from error
    match envelope:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            if protected != _ES384:
                raise _malformed("the signature's algorithm is not ES384")
            if unprotected:
                raise MalformedInput(
                    "attestation.trailing_bytes",
                    "the document carries unprotected headers",
                    "they are not signed, so one document would have many forms",
                    "send the document as the device gave it",
                )
            if len(signature) != _SIGNATURE:
                raise _malformed(f"a signature has {_SIGNATURE} bytes, not {len(signature)}")
            return protected, payload, signature
    raise _malformed("it is no COSE_Sign1")


def _is_pcr(number: Any, value: Any) -> bool:
    is_number = isinstance(number, int) and 0 <= number < _MAX_PCRS
    return is_number and isinstance(value, bytes) and len(value) == _PCR_LENGTH


def _is_certificate(value: Any) -> bool:
    return isinstance(value, bytes) and 0 < len(value) <= MAX_CERTIFICATE_LENGTH


def read_cbor(data: bytes) -> Any:
    """The value that ``data`` encodes: unsigned integers, byte strings, text, arrays, maps and null, three levels deep;
    arrays and maps may lack a length, and lengths need not be shortest.

    Raises:
        MalformedInput: ``attestation.malformed``.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if not reader.is_done():
        raise _malformed("bytes follow the value")
    return value


class _Reader:
    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def is_done(self) -> bool:
        return self._at == len(self._data)

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise _malformed("it is nested too deeply")
        first = self._take(1)[0]
        if first == _NULL:
            return None
        major, length = first >> 5, self._argument(first & 31)
        if major == 0 and length is not None:
            return length
        if major in (2, 3) and length is not None:
            part = self._take(length)
            return part if major == 2 else self._text(part)
        if major == 4:
            return [self.value(depth + 1) for _ in self._entries(length)]
        if major == 5:
            return self._map(length, depth)
        raise _malformed(f"initial byte 0x{first:02x} is not supported")

    def _map(self, length: int | None, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in self._entries(length):
            key = self.value(depth + 1)
            if not isinstance(key, (str, int)) or key in found:
                raise _malformed("a key stands twice, or is neither text nor number")
            found[key] = self.value(depth + 1)
        return found

    def _entries(self, length: int | None) -> Any:
        """As many steps as there are entries; without a length, until the break."""
        if length is not None:
            if length > len(self._data) - self._at:
                raise _malformed("a container has more entries than there are bytes")
            yield from range(length)
            return
        while self._data[self._at : self._at + 1] != bytes((_BREAK,)):
            yield None
        self._at += 1

    def _argument(self, info: int) -> int | None:
        if info < 24:
            return info
        if info < 28:
            return int.from_bytes(self._take(1 << (info - 24)), "big")
        if info == 31:
            return None
        raise _malformed("a reserved length")

    def _text(self, part: bytes) -> str:
        try:
            return part.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed("text is not UTF-8") from error

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise _malformed("it ends too early")
        part = self._data[self._at : self._at + length]
        self._at += length
        return part


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        "attestation.malformed",
        "the bytes are not a supported Nitro document",
        why,
        "send the document as the device gave it",
    )
