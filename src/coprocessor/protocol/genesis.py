"""The genesis digest: all that anybody must pin (PROTOCOL 1.1), and the ``network.json`` that carries it.

The digest covers the canonical configuration and the evidence digests of the first gatekeepers. Hints that may be wrong
without harm, such as an RPC URL, stand beside it in the file and are not covered.
"""

from __future__ import annotations

import json
from typing import Any

from coprocessor.codec import cbor, strict_json
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, from_hex, to_hex
from coprocessor.values.network import AttestationFloor, ContractIdentity, Custodian, Network, NetworkConfiguration

__all__ = [
    "MAX_NETWORK_FILE",
    "compute_configuration_hash",
    "compute_network_id",
    "network_from_json",
    "network_to_json",
]

MAX_NETWORK_FILE = 256 * 1024
"""Bytes of a ``network.json`` that are read."""

_FORMAT = "coprocessor/v1/network"


def compute_configuration_hash(configuration: NetworkConfiguration) -> Digest:
    """SHA-256 over the canonical configuration, 32 bytes; ``Registry`` stores it (PROTOCOL 1.2)."""
    return sha256(Label.CONFIGURATION.context(b"", cbor.dumps(_configuration_to_plain(configuration, bytes))))


def compute_network_id(network: Network) -> NetworkId:
    """The genesis digest, 32 bytes."""
    body = cbor.dumps([_configuration_to_plain(network.configuration, bytes), list(network.gatekeepers)])
    return NetworkId(sha256(Label.GENESIS.context(b"", body)))


def network_to_json(network: Network, hints: dict[str, Any] | None = None) -> str:
    """The text of a ``network.json``, with hints that the digest does not cover."""
    document = {
        "format": _FORMAT,
        "network": to_hex(compute_network_id(network)),
        "configuration": _configuration_to_plain(network.configuration, to_hex),
        "gatekeepers": [to_hex(digest) for digest in network.gatekeepers],
        "hints": hints or {},
    }
    return json.dumps(document, indent=2) + "\n"


def network_from_json(text: str) -> tuple[Network, dict[str, Any]]:
    """The network and the hints of a ``network.json``.

    Raises:
        MalformedInput: wrong shape, unknown fields, or a digest that the content does not have.
    """
    document = strict_json.loads(text, MAX_NETWORK_FILE)
    try:
        if not isinstance(document, dict) or document.pop("format", None) != _FORMAT:
            raise MalformedInput("network.format", f"the file is not a {_FORMAT} document")
        claimed = from_hex(document.pop("network"), 32, "network")
        network = Network(
            _configuration_from_plain(document.pop("configuration")),
            tuple(Digest(from_hex(item, 32, "gatekeeper")) for item in document.pop("gatekeepers")),
        )
        hints = document.pop("hints")
        computed = compute_network_id(network)
    except (ValueError, KeyError, TypeError, AttributeError, CallerMisuse) as error:
        raise MalformedInput("network.format", "the network file has not the form it must have", str(error)) from error
    if document or not isinstance(hints, dict):
        raise MalformedInput("network.format", f"unknown fields in the network file: {', '.join(document) or 'hints'}")
    if computed != claimed:
        raise MalformedInput(
            "network.digest",
            f"the file calls itself {to_hex(claimed)} but its content is {to_hex(computed)}",
            "it was edited, cut or made by another version",
            "get the file again from where you trust it",
        )
    return network, hints


def _configuration_to_plain(configuration: NetworkConfiguration, digest: Any) -> dict[str, Any]:
    floor = configuration.attestation
    return {
        "chain_id": configuration.chain_id,
        "header_source": {"kind": "sealed", "sealers": [digest(sealer) for sealer in configuration.sealers]},
        "finality": configuration.finality,
        "contracts": {
            name: {"address": digest(contract.address), "code_hash": digest(contract.code_hash)}
            for name, contract in configuration.contracts
        },
        "attestation": {
            "roots": [digest(root) for root in floor.roots],
            "measurements": [digest(measurement) for measurement in floor.measurements],
            "minimum_evaluation": floor.minimum_evaluation,
            "maximum_level": floor.maximum_level,
        },
        "allow_simulated": configuration.allow_simulated,
        "development": configuration.development,
        "custodian": _custodian_to_plain(configuration.custodian, digest),
    }


def _custodian_to_plain(custodian: Custodian, digest: Any) -> dict[str, Any]:
    if custodian.kind != "keys":
        return {"kind": custodian.kind}
    keys = [digest(key) for key in custodian.keys]
    return {"kind": custodian.kind, "threshold": custodian.threshold, "keys": keys}


def _custodian(plain: Any) -> Custodian:
    if plain["kind"] != "keys":
        return Custodian(str(plain["kind"]))
    keys = tuple(from_hex(item, 32, "custodian's key") for item in plain["keys"])
    return Custodian("keys", _integer(plain["threshold"]), keys)


def _configuration_from_plain(plain: dict[str, Any]) -> NetworkConfiguration:
    source, floor, contracts = plain["header_source"], plain["attestation"], plain["contracts"]
    if source["kind"] != "sealed":
        raise MalformedInput("network.header_source", f"header source {source['kind']!r} is not known")
    configuration = NetworkConfiguration(
        chain_id=_integer(plain["chain_id"]),
        sealers=tuple(Address(from_hex(item, 20, "sealer")) for item in source["sealers"]),
        finality=str(plain["finality"]),
        contracts=tuple(
            (
                name,
                ContractIdentity(
                    Address(from_hex(contracts[name]["address"], 20, name)),
                    Digest(from_hex(contracts[name]["code_hash"], 32, name)),
                ),
            )
            for name in contracts
        ),
        attestation=AttestationFloor(
            tuple(Digest(from_hex(item, 32, "root")) for item in floor["roots"]),
            tuple(Digest(from_hex(item, 32, "measurement")) for item in floor["measurements"]),
            _integer(floor["minimum_evaluation"]),
            _integer(floor["maximum_level"]),
        ),
        allow_simulated=_boolean(plain["allow_simulated"]),
        development=_boolean(plain["development"]),
        custodian=_custodian(plain["custodian"]),
    )
    if _configuration_to_plain(configuration, to_hex) != plain:
        raise MalformedInput("network.format", "the configuration has unknown fields or values in another form")
    return configuration


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MalformedInput("network.format", f"{value!r} is not a whole number")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise MalformedInput("network.format", f"{value!r} is neither true nor false")
    return value
