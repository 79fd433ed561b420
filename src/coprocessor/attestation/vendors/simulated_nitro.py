"""A simulated Nitro hypervisor: makes attestation documents in the true format, under the simulated vendor's root.
SIMULATED, INSECURE.

**Source:** as ``nitro_document`` and ``nitro``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.simulated_authority import (
    Authority,
    VendorOptions,
    build_authorities,
    certify,
    derive_p256_key,
    derive_p384_key,
    encode_der,
    sign_p384,
)
from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.values.identities import checked_digest

__all__ = ["NitroEnclave", "SimulatedNitroPlatform"]

_LIFE: Final = 3 * 3600
_PROTECTED: Final = cbor.dumps({1: -35})


@dataclass(frozen=True, slots=True)
class NitroEnclave:
    """What a simulated enclave binds, and its measurements by number (48 bytes each)."""

    pcrs: dict[int, bytes] = field(default_factory=dict)
    user_data: bytes | None = None
    nonce: bytes | None = None
    public_key: bytes | None = None


class SimulatedNitroPlatform:
    """One simulated instance. Prints redacted.

    Args:
        secret: 32 bytes, the instance's identity.
        options: the vendor.
    """

    __slots__ = ("_authority", "_instance", "_root", "_secret")

    def __init__(self, secret: bytes, options: VendorOptions = VendorOptions()) -> None:  # noqa: B008 - frozen
        checked_digest(secret, "platform secret")
        self._secret = secret
        self._root = build_authorities(options)[0]
        key = derive_p256_key(options.seed, b"nitro authority")
        name = "SIMULATED INSECURE zonal.nitro-enclaves"
        self._authority = Authority(key, certify(name, key, self._root, path_length=0))
        self._instance = f"i-{sha256(secret).hex()[:17]}"

    def evidence(self, enclave: NitroEnclave, now: int) -> Evidence:
        """A document of ``now``, seconds since 1970; its certificate lives for three hours."""
        return Evidence(EvidenceKind.NITRO, self.document(enclave, now))

    def document(self, enclave: NitroEnclave, now: int, **changes: Any) -> bytes:
        """A signed document; ``changes`` replace fields of its payload before it is signed."""
        key = derive_p384_key(self._secret, b"nitro enclave")
        leaf = certify(f"{self._instance}-encsim", key, self._authority, validity=(now, now + _LIFE))
        fields = {
            "module_id": f"{self._instance}-encsim",
            "digest": "SHA384",
            "timestamp": now * 1000,
            "pcrs": {number: enclave.pcrs.get(number, bytes(48)) for number in range(16)},
            "certificate": encode_der(leaf),
            "cabundle": [encode_der(self._root.certificate), encode_der(self._authority.certificate)],
            "public_key": enclave.public_key,
            "user_data": enclave.user_data,
            "nonce": enclave.nonce,
        }
        payload = cbor.dumps(fields | changes)
        r, s = sign_p384(key, cbor.dumps(["Signature1", _PROTECTED, b"", payload]))
        return cbor.dumps([_PROTECTED, {}, payload, r.to_bytes(48, "big") + s.to_bytes(48, "big")])

    def __repr__(self) -> str:
        return "SimulatedNitroPlatform(SIMULATED INSECURE, redacted)"
