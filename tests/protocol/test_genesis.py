"""The genesis digest and the file that carries it (PROTOCOL 1.1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.protocol.genesis import (
    MAX_NETWORK_FILE,
    compute_configuration_hash,
    compute_network_id,
    network_from_json,
    network_to_json,
)
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import Digest, to_hex
from coprocessor.values.network import AttestationFloor, Network
from tests.protocol.samples import make_network

NETWORK = make_network()
TEXT = network_to_json(NETWORK, {"rpc": "http://127.0.0.1:8545"})


def test_round_trip_with_hints() -> None:
    network, hints = network_from_json(TEXT)
    assert network == NETWORK
    assert hints == {"rpc": "http://127.0.0.1:8545"}
    assert network_to_json(network, hints) == TEXT
    assert json.loads(TEXT)["network"] == to_hex(compute_network_id(NETWORK))


def test_hints_are_not_covered() -> None:
    document = json.loads(TEXT)
    document["hints"] = {"rpc": "http://elsewhere.invalid", "more": [1]}
    network, hints = network_from_json(json.dumps(document))
    assert compute_network_id(network) == compute_network_id(NETWORK)
    assert hints == document["hints"]


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _leaves(value[key], (*path, key))
    else:
        yield path


def _edited(path: tuple[Any, ...], change: Callable[[Any], Any]) -> str:
    document = json.loads(TEXT)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    return json.dumps(document)


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value.startswith("0x"):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return value + "x"


COVERED = [path for path in _leaves(json.loads(TEXT)) if path[0] != "hints"]


@pytest.mark.parametrize("path", COVERED, ids=lambda path: ".".join(map(str, path)))
def test_every_edit_is_refused(path: tuple[Any, ...]) -> None:
    with pytest.raises(MalformedInput):
        network_from_json(_edited(path, _other))


@pytest.mark.parametrize("path", COVERED, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("wrong", [None, 1.5, [], {}, -1, "0x", ""], ids=str)
def test_values_of_another_type_are_refused(path: tuple[Any, ...], wrong: Any) -> None:
    with pytest.raises(MalformedInput):
        network_from_json(_edited(path, lambda _: wrong))


def _remade(change: Callable[[dict[str, Any]], None]) -> str:
    document = json.loads(TEXT)
    change(document)
    return json.dumps(document)


def _upper_case(document: dict[str, Any]) -> None:
    sealers = document["configuration"]["header_source"]["sealers"]
    sealers[0] = "0x" + sealers[0][2:].upper()


OTHER_FORMS: dict[str, str] = {
    "no JSON": TEXT[:-5],
    "no object": "[]",
    "unknown field": _remade(lambda document: document.update(extra=1)),
    "unknown field inside": _remade(lambda document: document["configuration"].update(extra=1)),
    "unknown field of the floor": _remade(lambda document: document["configuration"]["attestation"].update(extra=1)),
    "field missing": _remade(lambda document: document.pop("gatekeepers")),
    "hints missing": _remade(lambda document: document.pop("hints")),
    "hints of another type": _remade(lambda document: document.update(hints=[])),
    "other format": _remade(lambda document: document.update(format="coprocessor/v2/network")),
    "other header source": _remade(lambda document: document["configuration"]["header_source"].update(kind="none")),
    "upper-case address": _remade(_upper_case),
    "contract missing": _remade(lambda document: document["configuration"]["contracts"].pop("Inbox")),
    "contract extra": _remade(
        lambda document: document["configuration"]["contracts"].update(
            Other=document["configuration"]["contracts"]["Inbox"]
        )
    ),
    "white space in the digest": _remade(
        lambda document: document.update(network=document["network"][:4] + " " + document["network"][4:])
    ),
    "doubled field": TEXT.replace('"finality":', '"finality": "other", "finality":'),
    "number as text": _remade(lambda document: document["configuration"].update(chain_id="31337")),
    "number as real": _remade(lambda document: document["configuration"].update(chain_id=31337.0)),
    "too long": TEXT + " " * MAX_NETWORK_FILE,
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("text", OTHER_FORMS.values(), ids=list(OTHER_FORMS))
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        network_from_json(text)


@given(st.text(max_size=60))
def test_random_texts_raise_only_the_documented_error(text: str) -> None:
    with pytest.raises(MalformedInput):
        network_from_json(text)


def test_an_edited_file_says_which_network_it_is_and_which_it_claims() -> None:
    with pytest.raises(MalformedInput) as caught:
        network_from_json(_edited(("gatekeepers", 0), _other))
    assert caught.value.code == "network.digest"
    assert to_hex(compute_network_id(NETWORK)) in caught.value.what


def test_digests_cover_everything() -> None:
    configuration = NETWORK.configuration
    floor = configuration.attestation
    variants = [
        configuration,
        replace(configuration, chain_id=1),
        replace(configuration, sealers=()),
        replace(configuration, finality="other"),
        replace(configuration, allow_simulated=False),
        replace(configuration, development=False),
        *(
            replace(configuration, attestation=other)
            for other in (
                replace(floor, roots=floor.measurements),
                replace(floor, measurements=floor.roots),
                replace(floor, minimum_evaluation=18),
                replace(floor, maximum_level=2),
            )
        ),
    ]
    assert len({compute_configuration_hash(variant) for variant in variants}) == len(variants)
    networks = [Network(variant, NETWORK.gatekeepers) for variant in variants]
    networks += [Network(configuration, ()), Network(configuration, NETWORK.gatekeepers * 2)]
    assert len({compute_network_id(network) for network in networks}) == len(networks)
    assert compute_configuration_hash(configuration) != compute_network_id(Network(configuration, ()))


@pytest.mark.parametrize(
    ("roots", "measurements"), [((), (Digest(bytes(32)),)), ((Digest(bytes(32)),), ()), ((Digest(b"short"),), ())]
)
def test_an_empty_policy_fails(roots: tuple[Digest, ...], measurements: tuple[Digest, ...]) -> None:
    with pytest.raises(CoprocessorError):
        AttestationFloor(roots, measurements, 1, 1)
