"""What a worker's and a gatekeeper's core do alike when they boot: read the network, tell who they are."""

from __future__ import annotations

from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.messages import Booted
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.network import Network

__all__ = ["introduce", "read_network"]


def read_network(description: str, *, simulated: bool) -> Network:
    """The network of a ``network.json``'s text, for an enclave on hardware that may be simulated.

    Raises:
        MalformedInput: it is no description of a network.
        EvidenceRefused: simulated hardware has no place in it (``attestation.simulated_refused``).
    """
    network, _ = network_from_json(description)
    if simulated and not network.configuration.allow_simulated:
        raise EvidenceRefused(
            "attestation.simulated_refused",
            "this machine's TEE is simulated, and the network accepts real hardware only",
            next="run on TEE hardware, or use a network that allows simulation",
        )
    return network


def introduce(keys: EnclaveKeys, platform: bytes, *, simulated: bool) -> Booted:
    """The reply to the first message: public keys and machine (32 bytes)."""
    signing = keys.signing
    return Booted(signing.address, signing.public_key, keys.sealing.public_key, platform, simulated)
