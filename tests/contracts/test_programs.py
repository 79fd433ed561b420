"""Programs: published code, instances, input keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coprocessor.chain.artifacts import load_artifact
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.layout import mapping_slot
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.statements import InputKeyRecord, ProgramKey, ProgramKeysRecord, compute_keys_hash
from coprocessor.protocol.system import compute_program_id, decode_instantiation
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, CodeHash, Digest, ProgramId, to_hex
from tests.contracts.evm import Reverted
from tests.contracts.network import Cluster, Enclave, TestNetwork, ascending, code_hash_of, digest, secret


@pytest.fixture
def cluster(network: TestNetwork) -> Cluster:
    """An open cluster without members."""
    return network.create_cluster(members=0)


def upload_key(network: TestNetwork, upload: bytes) -> Digest:
    """Of the deployer."""
    return keccak256(abi.encode(["address", "bytes32"], [network.deployer.address, upload]))


def test_publish_in_one_chunk(network: TestNetwork) -> None:
    upload, code = digest(network.label("upload")), b"\x00asm" * 10
    mined = network.programs.send(network.deployer, "publish", upload, 0, True, code)
    key = upload_key(network, upload)
    assert network.programs.event(mined, "CodeChunk") == {"upload_key": key, "index": 0, "data": code}
    assert network.programs.event(mined, "CodePublished") == {
        "code_hash": code_hash_of(code),
        "upload_key": key,
        "publisher": network.deployer.address,
        "chunks": 1,
    }
    assert network.programs.read("codes", code_hash_of(code)) == 1
    assert network.programs.read("uploads", key) == (code_hash_of(code), 1, True)


def test_publish_in_order_and_resumable(network: TestNetwork) -> None:
    programs, upload = network.programs, digest(network.label("upload"))
    chunks = [b"first", b"second", b"third"]
    me = network.deployer.address
    programs.refuses("programs: chunk order", "publish", upload, 1, False, b"x", sender=me)
    programs.send(network.deployer, "publish", upload, 0, False, chunks[0])
    programs.refuses("programs: chunk order", "publish", upload, 0, False, chunks[0], sender=me)
    programs.refuses("programs: chunk order", "publish", upload, 2, False, chunks[2], sender=me)
    programs.refuses("programs: chunk empty", "publish", upload, 1, False, b"", sender=me)
    programs.refuses("programs: chunk order", "publish", upload, 1, False, b"x", sender=network.stranger.address)
    assert programs.read("uploads", upload_key(network, upload)) == (code_hash_of(chunks[0]), 1, False)
    assert programs.read("codes", code_hash_of(chunks[0])) == 0
    programs.send(network.deployer, "publish", upload, 1, False, chunks[1])
    mined = programs.send(network.deployer, "publish", upload, 2, True, chunks[2])
    assert programs.event(mined, "CodePublished")["chunks"] == 3
    assert programs.read("codes", code_hash_of(*chunks)) == 3
    programs.refuses("programs: upload closed", "publish", upload, 3, True, b"x", sender=me)
    programs.refuses("programs: upload closed", "publish", upload, 0, True, b"x", sender=me)


def test_publish_again_is_harmless(network: TestNetwork) -> None:
    code = network.label("code").encode()
    assert network.publish(code) == network.publish(code) == code_hash_of(code)
    assert network.programs.read("codes", code_hash_of(code)) == 1


def test_publish_is_bounded(network: TestNetwork) -> None:
    upload, me = digest(network.label("upload")), network.deployer.address
    largest = b"\xc0" * 98304
    mined = network.programs.send(network.deployer, "publish", upload, 0, False, largest)
    assert network.programs.event(mined, "CodeChunk")["data"] == largest
    with pytest.raises(Reverted):
        network.programs.read("publish", upload, 1, False, largest + b"\0", sender=me)
    calls = [(upload, index, False, b"x") for index in range(1, 64)]
    network.programs.send_many(network.deployer, "publish", calls, gas=300_000)
    network.programs.refuses("programs: chunk order", "publish", upload, 64, True, b"x", sender=me)


def test_instantiate(network: TestNetwork, cluster: Cluster) -> None:
    programs, code = network.programs, network.publish()
    salt, policy = digest("salt"), digest("policy")
    mined = programs.send(network.stranger, "instantiate", code, cluster.id, salt, policy, [], b"arguments", 77)
    program = compute_program_id(
        network.evm.chain_id,
        programs.address,
        network.stranger.address,
        CodeHash(code),
        cluster.id,
        salt,
        policy,
    )
    assert programs.event(mined, "Instantiated") == {
        "program": program,
        "cluster": cluster.id,
        "owner": network.stranger.address,
        "code_hash": code,
        "handle": 0,
        "policy": policy,
    }
    assert programs.read("programs", program) == (network.stranger.address, cluster.id, code, 0, policy)
    assert programs.read("location", program) == (cluster.id, 0)
    assert programs.read("location", digest("none")) == (ZERO_DIGEST, 0)
    assert programs.read("handles", cluster.id, 0) == program
    link = network.inbox.event(mined, "Link")
    assert (link["kind"], link["cluster"]) == (LinkKind.INSTANTIATE, cluster.id)
    payload = decode_instantiation(link["payload"])
    assert (payload.program, payload.handle, payload.owner) == (program, 0, network.stranger.address)
    assert (payload.code_hash, payload.policy, payload.fuel_limit) == (code, policy, 77)
    assert (payload.callees, payload.init) == ((), b"arguments")


def test_handles_count_per_cluster_and_callees_are_named(network: TestNetwork, cluster: Cluster) -> None:
    code = network.publish()
    callees = [network.instantiate(cluster.id, code) for _ in range(8)]
    largest = b"\xaa" * 4096
    arguments = (code, cluster.id, digest("caller"), ZERO_DIGEST, callees, largest, 2**64 - 1)
    mined = network.programs.send(network.deployer, "instantiate", *arguments)
    assert network.programs.event(mined, "Instantiated")["handle"] == 8
    assert network.programs.read("handle_count", cluster.id) == 9
    assert network.programs.read("handles", cluster.id, 3) == callees[3]
    payload = decode_instantiation(network.inbox.event(mined, "Link")["payload"])
    assert payload.callees == tuple(callees)
    assert payload.init == largest
    other = network.create_cluster(members=0)
    foreign = (code, other.id, digest("caller"), ZERO_DIGEST, callees[:1], b"", 1)
    network.programs.refuses("programs: callee", "instantiate", *foreign)


def test_handles_are_bounded(network: TestNetwork, cluster: Cluster) -> None:
    """On anvil alone, which lets a test write the counter that nobody could fill."""
    if network.evm.name != "anvil":
        pytest.skip("the development node has no way to write storage")
    slot = mapping_slot(load_artifact("Programs").storage_layout["handle_count"].to_bytes(32, "big"), cluster.id)
    for used, is_refused in ((2**32 - 1, False), (2**32, True)):
        word = to_hex(used.to_bytes(32, "big"))
        network.evm.client.call("anvil_setStorageAt", to_hex(network.programs.address), to_hex(slot), word)
        call = ("instantiate", network.publish(), cluster.id, digest("salt"), ZERO_DIGEST, [], b"", 1)
        if is_refused:
            network.programs.refuses("programs: handles", *call)
        else:
            network.programs.read(*call)


def test_instantiate_refuses(network: TestNetwork, cluster: Cluster) -> None:
    programs, code = network.programs, network.publish()
    base = (digest("salt"), ZERO_DIGEST)
    programs.refuses("programs: code", "instantiate", digest("none"), cluster.id, *base, [], b"", 1)
    programs.refuses("programs: cluster", "instantiate", code, digest("none"), *base, [], b"", 1)
    programs.refuses("programs: callee", "instantiate", code, cluster.id, *base, [digest("none")], b"", 1)
    programs.refuses("programs: callee", "instantiate", code, cluster.id, *base, [ZERO_DIGEST], b"", 1)
    programs.refuses("programs: fuel limit", "instantiate", code, cluster.id, *base, [], b"", 2**64)
    for too_much in ([digest("x")] * 9, b""), ([], b"\0" * 4097):
        with pytest.raises(Reverted):
            programs.read("instantiate", code, cluster.id, *base, *too_much, 1)
    programs.send(network.deployer, "instantiate", code, cluster.id, *base, [], b"", 1)
    programs.refuses("programs: exists", "instantiate", code, cluster.id, *base, [], b"other", 2)


def input_key_signatures(
    network: TestNetwork, cluster: Cluster, program: bytes, key: bytes, signers: list[Enclave], epoch: int = 1
) -> list[bytes]:
    """Ascending by signer."""
    record = InputKeyRecord(network.genesis, cluster.id, ProgramId(program), epoch, key)
    signed = record.digest(network.evm.chain_id, network.programs.address)
    return [enclave.signer.sign(signed) for enclave in ascending(signers)]


def key_list(network: TestNetwork, cluster: Cluster, *keys: tuple[bytes, bytes], kind: int = 0) -> list[ProgramKey]:
    """Keys of (program, key), all of one kind."""
    return [ProgramKey(ProgramId(program), kind, key) for program, key in keys]


def key_signatures(
    network: TestNetwork, cluster: Cluster, keys: list[ProgramKey], signers: Sequence[Enclave], epoch: int = 1
) -> list[bytes]:
    """Ascending by signer, over the whole list."""
    record = ProgramKeysRecord(network.genesis, cluster.id, epoch, compute_keys_hash(keys))
    signed = record.digest(network.evm.chain_id, network.programs.address)
    return [enclave.signer.sign(signed) for enclave in ascending(signers)]


@pytest.mark.parametrize("of", ["program", "cluster"])
def test_input_key(network: TestNetwork, of: str) -> None:
    cluster = network.create_cluster(members=3, quorum=2)
    program = network.instantiate(cluster.id) if of == "program" else cluster.id
    programs, key = network.programs, digest("input key")
    a, b, c = cluster.members
    keys = key_list(network, cluster, (program, key))
    pair = key_signatures(network, cluster, keys, [a, b])

    def refused(reason: str, keys: list[ProgramKey], signatures: list[bytes], epoch: int = 1) -> None:
        programs.refuses(reason, "publish_keys", cluster.id, epoch, keys, signatures)

    def signed_but_refused(reason: str, keys: list[ProgramKey]) -> None:
        refused(reason, keys, key_signatures(network, cluster, keys, [a, b]))

    refused("programs: quorum", keys, pair[:1])
    refused("programs: quorum", keys, [])
    refused("clusters: signer", key_list(network, cluster, (program, digest("other"))), pair)
    refused("clusters: order", keys, pair[::-1])
    refused("programs: epoch", keys, pair, epoch=2)
    refused("programs: epoch", keys, pair, epoch=0)
    signed_but_refused("programs: no key", [])
    signed_but_refused("programs: key", key_list(network, cluster, (program, ZERO_DIGEST)))
    signed_but_refused("programs: kind", key_list(network, cluster, (program, key), kind=255))
    signed_but_refused("programs: program", key_list(network, cluster, (digest("none"), key)))
    programs.refuses("programs: cluster", "publish_keys", digest("none"), 1, keys, pair)

    mined = programs.send(network.stranger, "publish_keys", cluster.id, 1, keys, pair)
    signers = [enclave.worker for enclave in ascending([a, b])]
    assert programs.event(mined, "InputKeyPublished") == {"program": program, "epoch": 1, "key": key}
    assert programs.event(mined, "KeysPublished") == {"cluster": cluster.id, "epoch": 1, "signers": signers}
    assert programs.read("input_keys", program, 1) == key
    other_keys = key_list(network, cluster, (program, digest("later")))
    later = key_signatures(network, cluster, other_keys, [a, b])
    mined = programs.send(network.stranger, "publish_keys", cluster.id, 1, other_keys, later)
    assert programs.events(mined, "InputKeyPublished") == []
    assert programs.read("input_keys", program, 1) == key, "what is recorded stays"

    (same,) = input_key_signatures(network, cluster, program, key, [c])
    programs.refuses("programs: same key", "dispute_input_key", program, 1, key, same)
    (other,) = input_key_signatures(network, cluster, program, digest("derived"), [c])
    programs.refuses("clusters: signer", "dispute_input_key", program, 1, digest("altered"), other)
    programs.refuses("programs: no key", "dispute_input_key", program, 2, digest("derived"), other)
    mined = programs.send(network.stranger, "dispute_input_key", program, 1, digest("derived"), other)
    assert programs.event(mined, "InputKeyDisputed") == {
        "program": program,
        "epoch": 1,
        "worker": c.worker,
        "recorded_key": key,
        "derived_key": digest("derived"),
    }
    assert programs.read("input_keys", program, 1) == key


def test_keys_of_many_programs_in_one_transaction(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=2, quorum=2)
    code = network.publish()
    programs = [network.instantiate(cluster.id, code) for _ in range(7)]
    keys = key_list(network, cluster, *((program, digest(f"key {at}")) for at, program in enumerate(programs)))
    first = key_signatures(network, cluster, keys[:3], cluster.members)
    network.programs.send(network.stranger, "publish_keys", cluster.id, 1, keys[:3], first)
    signed = key_signatures(network, cluster, keys, cluster.members)
    mined = network.programs.send(network.stranger, "publish_keys", cluster.id, 1, keys, signed)
    assert [event["program"] for event in network.programs.events(mined, "InputKeyPublished")] == programs[3:]
    assert [network.programs.read("input_keys", key.program, 1) for key in keys] == [key.key for key in keys]


def test_keys_need_members_of_the_programs_cluster(network: TestNetwork) -> None:
    cluster, other = network.create_cluster(members=1, quorum=1), network.create_cluster(members=1, quorum=1)
    keys = key_list(network, cluster, (network.instantiate(cluster.id), digest("input key")))
    foreign = key_signatures(network, cluster, keys, other.members)
    network.programs.refuses("clusters: member", "publish_keys", cluster.id, 1, keys, foreign)
    wrong_cluster = key_signatures(network, other, keys, cluster.members)
    network.programs.refuses("clusters: signer", "publish_keys", cluster.id, 1, keys, wrong_cluster)
    theirs = key_signatures(network, other, keys, other.members)
    network.programs.refuses("programs: program", "publish_keys", other.id, 1, keys, theirs)


def test_signatures_over_keys_are_bound_to_contract_and_chain(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=1, quorum=1)
    keys = key_list(network, cluster, (cluster.id, digest("input key")))
    record = ProgramKeysRecord(network.genesis, cluster.id, 1, compute_keys_hash(keys))
    signer, at, chain_id = cluster.members[0].signer, network.programs.address, network.evm.chain_id
    foreign_network = replace(record, network=digest("n"))  # type: ignore[arg-type]
    for signed in (record.digest(1, at), record.digest(chain_id, ZERO_ADDRESS), foreign_network.digest(chain_id, at)):
        network.programs.refuses("clusters: signer", "publish_keys", cluster.id, 1, keys, [signer.sign(signed)])
    stranger = secret("stranger").sign(record.digest(chain_id, at))
    network.programs.refuses("clusters: signer", "publish_keys", cluster.id, 1, keys, [stranger])
