"""The committed artefacts are what the sources give, deploy as described, and name the slots that enclaves prove."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.artifacts import load_artifact
from coprocessor.codec import abi
from coprocessor.protocol import layout
from coprocessor.values.identities import Digest
from coprocessor.values.network import CONTRACT_NAMES
from tests.contracts.evm import Deployed, Evm
from tests.contracts.network import DELAY, Cluster, TestNetwork, digest
from tests.contracts.test_epochs import boundary, holders, newest_receipt, sign
from tests.contracts.test_programs import key_list, key_signatures
from tests.support.scripts import load_script

ROOT = Path(__file__).resolve().parents[2]
CODE_LIMIT = 24_576  # EIP-170


BUILD = load_script("contracts/build.py")
NAMES = [Path(source).stem for source in BUILD.CONTRACTS]


def document(name: str) -> dict[str, Any]:
    """A committed artefact."""
    return dict(json.loads((BUILD.ARTIFACTS / f"{name}.json").read_text()))


@pytest.mark.parametrize("source", BUILD.CONTRACTS)
def test_artefact_is_what_the_source_gives(source: str) -> None:
    committed = (BUILD.ARTIFACTS / f"{Path(source).stem}.json").read_text()
    assert BUILD.render(BUILD.compile_contract(source)) == committed


def test_the_list_is_complete() -> None:
    sources = {path.relative_to(BUILD.ROOT).as_posix() for path in BUILD.ROOT.glob("*/[A-Z]*.vy")}
    assert sources == set(BUILD.CONTRACTS)
    assert {path.stem for path in BUILD.ARTIFACTS.glob("*.json")} == set(NAMES)
    assert set(CONTRACT_NAMES) < set(NAMES)


def test_check_tells_a_stale_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUILD, "ARTIFACTS", tmp_path)
    monkeypatch.setattr(BUILD, "CONTRACTS", ("directory/Directory.vy",))
    monkeypatch.setattr(BUILD, "compile_contract", lambda source: {"name": source})
    assert BUILD.main(["--check"]) == 1
    assert not list(tmp_path.iterdir())
    assert BUILD.main([]) == 0
    assert BUILD.main(["--check"]) == 0
    (tmp_path / "Directory.json").write_text("{}")
    assert BUILD.main(["--check"]) == 1


def test_the_source_digest_covers_imports() -> None:
    covered = {
        path.relative_to(BUILD.ROOT).as_posix() for path in BUILD._closure(BUILD.ROOT / "settlement/Settlement.vy")
    }
    assert covered == {
        "settlement/Settlement.vy",
        "settlement/ISettlement.vyi",
        "settlement/outputs.vy",
        "settlement/receipts.vy",
        "clusters/IClusters.vyi",
        "gatekeeping/IGatekeeping.vyi",
        "inbox/IInbox.vyi",
        "registry/IRegistry.vyi",
        "shared/eip712.vy",
        "shared/signatures.vy",
    }


@pytest.mark.parametrize("name", NAMES)
def test_code_fits_the_limit(name: str) -> None:
    artifact = document(name)
    size = len(artifact["runtime_template"]) // 2 - 1 + sum(item["length"] for item in artifact["immutables"])
    assert size <= CODE_LIMIT
    assert (artifact["compiler"], artifact["evm_version"]) == ("vyper 0.4.3", "prague")


@pytest.mark.parametrize("name", CONTRACT_NAMES)
def test_deployed_code_is_template_and_arguments(network: TestNetwork, name: str) -> None:
    """So a code hash pins the wiring, and can be computed before anything is deployed (PROTOCOL 1.3)."""
    deployed: Deployed = getattr(network, name.lower())
    artifact = load_artifact(name)
    wiring = deployed.creation.data[len(artifact.bytecode) :]
    arguments = abi.decode(artifact.interface.constructor.inputs, wiring)
    assert network.evm.code(deployed.address) == artifact.runtime_code(*arguments)
    for name_, value in zip(artifact.interface.constructor.names, arguments, strict=True):
        assert deployed.read(name_.upper()) == value


@pytest.mark.parametrize("path", sorted(BUILD.ROOT.glob("**/*.vy*")), ids=lambda path: path.name)
def test_every_source_has_licence_and_documentation(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(
        "# SPDX-License-Identifier: Apache-2.0\n# pragma version ==0.4.3\n# pragma evm-version prague\n"
    )
    for decorated in re.findall(r"^@external\n(?:@\w+\n)*def [^:]+?\)(?: -> [^:]+)?:\s*\n\s*(\S+)", text, re.MULTILINE):
        assert decorated == '"""'


@pytest.mark.parametrize("path", sorted(BUILD.ROOT.glob("*/[A-Z]*.vy")), ids=lambda path: path.name)
def test_revert_reasons_are_listed_and_none_is_missing(path: Path) -> None:
    text = path.read_text()
    header, body = text.split('"""')[1], text.split('"""', 2)[2]
    prefix = "auction" if path.stem == "AuctionHouse" else path.stem.lower()
    listed = set(re.findall(rf'"({prefix}: [a-z ]+)"', header))
    used = set(re.findall(rf'"({prefix}: [a-z ]+)"', body))
    assert listed == used


# Slots that enclaves prove


@pytest.fixture(scope="module")
def lived(network: TestNetwork) -> Cluster:
    """A cluster with something in every proven variable."""
    cluster = network.create_cluster(members=3, quorum=2, fast_quorum=3, dispute_window=5)
    network.inbox.send(network.stranger, "submit", cluster.id, 1, 0, b"item")
    network.clusters.send(network.guardian, "raise_epoch", cluster.id)
    start = network.inbox.read("counts", cluster.id) - 1
    network.settle(cluster, to=start, inbox_head=network.inbox.read("head_at", cluster.id, start))
    network.settle(cluster, epoch=2)
    made = boundary(network, cluster)
    newest, signatures = newest_receipt(network, cluster), sign(network, cluster, made)
    network.clusters.send(network.stranger, "close_epochs", made, newest, signatures, holders(network, made))
    return cluster


def stored(evm: Evm, contract: Deployed, slot: Digest) -> bytes:
    """The word in a slot."""
    return evm.storage(contract.address, slot).to_bytes(32, "big")


def word(value: Any) -> bytes:
    """A getter's value as storage keeps it."""
    return int(value).to_bytes(32, "big") if isinstance(value, int) else bytes(value).rjust(32, b"\0")


def test_layout_is_that_of_the_artefacts() -> None:
    for name, variables in layout.VARIABLES.items():
        slots = load_artifact(name).storage_layout
        assert {variable: slots[variable] for variable in variables} == variables


def test_struct_slots(evm: Evm, network: TestNetwork, lived: Cluster) -> None:
    enclave = lived.members[0]
    program = network.instantiate(lived.id)
    network.registry.send(network.proposer, "announce_measurement", b"\x06" * 32, 7)
    network.clusters.send(network.deployer, "announce_runtime", lived.id, digest("next runtime"), DELAY)
    records: dict[str, tuple[tuple[Any, ...], Callable[..., Digest]]] = {
        "Registry.workers": ((enclave.worker,), layout.registry_worker),
        "Registry.measurements": ((b"\x06" * 32,), layout.registry_measurement),
        "Clusters.clusters": ((lived.id,), layout.cluster_field),
        "Clusters.epochs": ((lived.id, 2), layout.cluster_epoch),
        "Clusters.boundaries": ((lived.id,), layout.cluster_boundary),
        "Clusters.next_runtimes": ((lived.id,), layout.cluster_next_runtime),
        "Programs.programs": ((program,), layout.program_field),
        "Settlement.settled": ((lived.id,), layout.settled),
        "Settlement.receipts": ((lived.id, 0), layout.receipt_field),
        "Gatekeeping.members": ((1,), layout.gatekeeping_member),
    }
    elsewhere = {"Gatekeeping.next_members", "Beacon.keys", "Beacon.values"}  # test_handover.py, test_beacon.py
    elsewhere |= {"Programs.announcements", "Programs.upgrades"}  # test_upgrades.py
    assert set(records) == set(layout.STRUCTS) - elsewhere
    for record, (keys, slot_of) in records.items():
        name, variable = record.split(".")
        contract: Deployed = getattr(network, name.lower())
        values = contract.read(variable, *keys)
        for field, value in zip(layout.STRUCTS[record], values, strict=True):
            assert stored(evm, contract, slot_of(*keys, field)) == word(value), f"{record}.{field}"
        assert any(word(value) != bytes(32) for value in values)


def test_variable_slots(evm: Evm, network: TestNetwork, lived: Cluster) -> None:
    enclave = lived.members[0]
    network.instantiate(lived.id)
    code = network.publish()
    network.registry.send(network.guardian, "distrust", b"\x05" * 32)
    network.registry.send(network.proposer, "pin_collateral", [b"\x07" * 32])
    network.registry.send(network.guardian, "pause_admission")
    network.registry.send(network.proposer, "resume_admission")  # other tests admit on this network
    expected: list[tuple[Deployed, Digest, Any]] = [
        (network.gatekeeping, layout.gatekeeping_genesis(), network.genesis),
        (network.gatekeeping, layout.gatekeeping_threshold(), 2),
        (network.gatekeeping, layout.gatekeeping_member_count(), 3),
        (network.gatekeeping, layout.gatekeeping_revoked(network.gatekeepers[0].address), 0),
        (network.registry, layout.registry_configuration(), network.configuration),
        (network.registry, layout.registry_worker_of(enclave.signer.address), enclave.worker),
        (network.registry, layout.registry_distrusted(b"\x05" * 32), 2**256 - 1),
        (network.registry, layout.registry_has_distrusted(), 1),
        *(
            (network.registry, layout.registry_policy(name), network.registry.read(name))
            for name in (
                "paused_until",
                "minimum_version",
                "minimum_evaluation",
                "pinned_until",
                "refresh",
                "delay",
            )
        ),
        (network.registry, layout.registry_pin(network.registry.read("refresh"), b"\x07" * 32), 1),
        (network.clusters, layout.cluster_member(lived.id, enclave.worker), 1),
        (network.programs, layout.published_code(code), 1),
        (network.programs, layout.program_by_handle(lived.id, 0), network.programs.read("handles", lived.id, 0)),
        (network.inbox, layout.inbox_head(lived.id), network.inbox.read("heads", lived.id)),
        (network.inbox, layout.inbox_count(lived.id), network.inbox.read("counts", lived.id)),
        (network.settlement, layout.settlement_frozen_from(lived.id), 0),
    ]
    for contract, slot, value in expected:
        assert stored(evm, contract, slot) == word(value)


def test_input_key_slot(evm: Evm, network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    key = digest("input key")
    keys = key_list(network, cluster, (cluster.id, key))
    signatures = key_signatures(network, cluster, keys, cluster.members)
    network.programs.send(network.stranger, "publish_keys", cluster.id, 1, keys, signatures)
    assert stored(evm, network.programs, layout.input_key(cluster.id, 1)) == key
