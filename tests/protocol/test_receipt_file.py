"""Receipt files: what holds is accepted, every altered value is refused, each rule by its own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.receipt_file import (
    Opened,
    ReceiptFile,
    receipt_file_from_json,
    receipt_file_to_json,
)
from coprocessor.protocol.receipt_verdict import Verdict, minimal_seals, verify_receipt
from coprocessor.values.errors import EvidenceRefused
from tests.support.json_mutation import mutations
from tests.support.receipt_world import CLUSTER, CODE_HASH, PROGRAM, RECEIPT_NUMBER, World, key


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def judged(world: World, file: ReceiptFile) -> Verdict:
    return verify_receipt(receipt_file_to_json(file), world.network)


def code_after(edit: Callable[[World], object], **options: object) -> str | None:
    """The verdict's code on a world that was edited before its proofs were made."""
    world = World(**options)  # type: ignore[arg-type]
    edit(world)
    return judged(world, world.file()).code


def test_a_sound_receipt_is_accepted_and_says_what_was_trusted(world: World) -> None:
    verdict = judged(world, world.file())
    assert verdict.ok
    assert verdict.anchored
    assert verdict.code is None
    assert (verdict.program, verdict.code_hash, verdict.index) == (PROGRAM, CODE_HASH, "21.3")
    assert (verdict.status, verdict.fuel, verdict.plaintext) == (Status.OK, 1003, b'"result 3"')
    assert verdict.simulated
    assert any("SIMULATED TEE" in sentence for sentence in verdict.trusted)
    assert any(world.network.configuration.sealers[0].hex() in sentence for sentence in verdict.trusted)


def test_real_hardware_is_not_called_simulated() -> None:
    world = World(simulated=0)
    verdict = judged(world, world.file())
    assert verdict.ok
    assert verdict.simulated is False
    assert not any("SIMULATED" in sentence for sentence in verdict.trusted)


@pytest.mark.parametrize("position", range(5))
def test_every_position_and_the_closed_form_verify(world: World, position: int) -> None:
    verdict = judged(world, world.file(position, opened=False))
    assert verdict.ok
    assert verdict.plaintext is None


def test_without_anchor_it_shows_the_fingerprint_and_fails(world: World) -> None:
    verdict = verify_receipt(receipt_file_to_json(world.file()), None)
    assert (verdict.ok, verdict.anchored, verdict.code) == (False, False, "receipt.no_anchor")
    assert verdict.network == world.network_id


def test_a_receipt_of_another_network_is_foreign(world: World) -> None:
    other = World(gatekeeper=b"other")
    verdict = verify_receipt(receipt_file_to_json(other.file()), world.network)
    assert (verdict.ok, verdict.anchored, verdict.code) == (False, False, "receipt.foreign_network")


@pytest.mark.parametrize("opened", [True, False])
def test_no_mutation_of_any_leaf_is_accepted(world: World, opened: bool) -> None:
    document = json.loads(receipt_file_to_json(world.file(opened=opened)))
    accepted, count = [], 0
    for what, mutated in mutations(document):
        text = json.dumps(mutated)
        if verify_receipt(text, world.network).ok:
            accepted.append(what)
        count += 1
    assert count > 500
    assert accepted == []


@given(st.data())
def test_no_flipped_character_is_accepted(data: st.DataObject) -> None:
    world = World()
    text = json.dumps(json.loads(receipt_file_to_json(world.file())), separators=(",", ":"))
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0123456789abcdefx\"{}[],: \n-.eE").filter(lambda c: c != text[at]))
    changed = text[:at] + other + text[at + 1 :]
    assert not verify_receipt(changed, world.network).ok


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_without_a_crash(noise: bytes) -> None:
    verdict = verify_receipt(noise.decode("latin-1"), None)
    assert not verdict.ok
    assert verdict.code == "receipt.malformed"


def test_a_doubled_field_is_refused(world: World) -> None:
    text = receipt_file_to_json(world.file()).replace('"number"', '"number": 3, "number"', 1)
    assert verify_receipt(text, world.network).code == "receipt.malformed"


def test_oversized_files_are_refused_unread(world: World) -> None:
    assert verify_receipt("[" * 3_000_000, world.network).code == "receipt.malformed"
    assert verify_receipt("[" * 100_000, world.network).code == "receipt.malformed"


def test_the_form_is_read_back_unchanged(world: World) -> None:
    file = world.file()
    assert receipt_file_from_json(receipt_file_to_json(file)) == file


def settlement(world: World, name: str, value: int) -> None:
    world.storage["Settlement"][layout.receipt_field(CLUSTER, RECEIPT_NUMBER, name)] = value


def registry(world: World, name: str, value: int, at: int = 0) -> None:
    world.storage["Registry"][layout.registry_worker(world.worker(at), name)] = value


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda w: settlement(w, "to", 24), "receipt.not_settled"),
        (lambda w: settlement(w, "root", 1), "receipt.not_settled"),
        (lambda w: settlement(w, "outputs_root", 1), "receipt.not_settled"),
        (lambda w: w.storage["Settlement"].clear(), "receipt.not_settled"),
        (lambda w: settlement(w, "final_block", 71), "receipt.not_final"),
        (lambda w: w.storage["Settlement"].update({layout.settlement_frozen_from(CLUSTER): 4}), "receipt.frozen"),
        (lambda w: w.storage["Clusters"].update({layout.cluster_field(CLUSTER, "quorum"): 1}), "receipt.quorum"),
        (lambda w: w.storage["Clusters"].update({layout.cluster_field(CLUSTER, "quorum"): 3}), "receipt.quorum"),
        (lambda w: w.storage["Clusters"].pop(layout.cluster_member(CLUSTER, w.worker(1))), "receipt.signer"),
        (lambda w: w.storage["Registry"].pop(layout.registry_bound_worker(w.signers[1].address)), "receipt.signer"),
        (lambda w: registry(w, "role", 2), "receipt.signer"),
        (lambda w: registry(w, "revoked", 1, at=1), "receipt.signer_revoked"),
        (lambda w: registry(w, "operator", 100, at=1), "receipt.operator_twice"),
        (
            lambda w: w.storage["Programs"].update({layout.program_field(PROGRAM, "cluster"): 5}),
            "receipt.program",
        ),
    ],
)
def test_what_the_chain_does_not_say_is_refused(edit: Callable[[World], object], code: str) -> None:
    assert code_after(edit) == code


def test_a_receipt_frozen_later_still_counts() -> None:
    frozen = {layout.settlement_frozen_from(CLUSTER): RECEIPT_NUMBER + 2}
    assert code_after(lambda world: world.storage["Settlement"].update(frozen)) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w, f: replace(f, signatures=f.signatures[:1]), "receipt.proof"),
        (lambda w, f: replace(f, signatures=()), "receipt.signatures"),
        (lambda w, f: replace(f, signatures=f.signatures[::-1]), "receipt.signatures"),
        (lambda w, f: replace(f, signatures=(f.signatures[0], f.signatures[0])), "receipt.signatures"),
        (lambda w, f: replace(f, header=replace(f.header, seals=f.header.seals[:2])), "headers.not_final"),
        (lambda w, f: replace(f, header=replace(f.header, seals=f.header.seals[::-1])), "receipt.seals"),
        (lambda w, f: replace(f, leaf=replace(f.leaf, status=7)), "receipt.status"),
        (lambda w, f: replace(f, leaf=replace(f.leaf, link=23)), "receipt.range"),
        (lambda w, f: replace(f, leaf=replace(f.leaf, status=1)), "output.proof"),
        (lambda w, f: replace(f, sealed_output=b"other"), "output.ciphertext"),
        (lambda w, f: replace(f, opened=Opened(bytes(32), b"forged")), "output.plaintext"),
        (lambda w, f: replace(f, number=f.number + 1), "proof.refused"),
        (lambda w, f: replace(f, receipt=replace(f.receipt, network=keccak256(b"n"))), "receipt.network"),
    ],
)
def test_what_the_file_does_not_show_is_refused(
    world: World, change: Callable[[World, ReceiptFile], ReceiptFile], code: str
) -> None:
    assert judged(world, change(world, world.file())).code == code


def test_a_strangers_seal_is_refused(world: World) -> None:
    file = world.file()
    stranger = key(99).sign(keccak256(b"whatever"))
    forged = replace(file, header=replace(file.header, seals=(*file.header.seals[:-1], stranger)))
    assert judged(world, forged).code == "headers.foreign_seal"


def test_more_seals_than_needed_are_refused(world: World) -> None:
    few = World(sealers=world.sealers[:3])
    file = few.file()
    extra = World().file().header.seals[:1]
    assert not judged(few, replace(file, header=replace(file.header, seals=(*file.header.seals, *extra)))).ok


def test_signatures_of_strangers_are_refused() -> None:
    world = World()
    world.signers = sorted([key(11), key(77)], key=lambda k: k.address)
    assert judged(world, world.file()).code == "receipt.signer"


@pytest.mark.parametrize("contract", ["Settlement", "Clusters", "Registry", "Programs"])
def test_other_contract_code_is_refused(contract: str) -> None:
    world = World(deployed_code={contract: keccak256(b"other code")})
    assert judged(world, world.file()).code == "receipt.contract_code"


def test_too_few_seals_are_told() -> None:
    world = World()
    with pytest.raises(EvidenceRefused, match=r"headers\.not_final"):
        minimal_seals(world.network, 1, bytes(32), [])
