"""Registry: admission, replacement of keys, revocation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.protocol.statements import ROLE_GATEKEEPER, Admission
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Digest
from tests.contracts.evm import Evm, Reverted
from tests.contracts.network import DELAY, Enclave, TestNetwork, digest, secret


def refuse_admission(
    network: TestNetwork, reason: str, enclave: Enclave, admission: Admission, sender: bytes | None = None
) -> None:
    """Asserts that a correctly signed admission is refused."""
    network.registry.refuses(
        reason,
        "admit",
        admission,
        b"",
        network.sign_admission(admission),
        sender=sender or enclave.operator.address,
    )


def test_admission_is_recorded(network: TestNetwork) -> None:
    registry, enclave = network.registry, network.enclave()
    admission = network.admission(enclave)
    mined = registry.send(enclave.operator, "admit", admission, b"quote", network.sign_admission(admission))
    event = registry.event(mined, "Admitted")
    assert (event["worker"], event["operator"]) == (enclave.worker, enclave.operator.address)
    assert (event["signer"], event["evidence"]) == (enclave.signer.address, b"quote")
    assert event["admission"][:4] == (enclave.operator.address, enclave.platform, 1, enclave.signer.address)
    assert registry.read("workers", enclave.worker) == (
        enclave.operator.address,
        enclave.platform,
        1,
        enclave.signer.address,
        admission.sealing_key,
        admission.evidence_digest,
        admission.measurement,
        3,
        True,
        mined.block_number,
        admission.expires,
        False,
        admission.root,
    )
    assert registry.read("worker_of", enclave.signer.address) == enclave.worker
    assert registry.read("worker_id", enclave.operator.address, enclave.platform) == enclave.worker
    standing = (enclave.worker, enclave.operator.address, enclave.platform, admission.expires, False)
    assert registry.read("standing", enclave.signer.address) == standing
    assert registry.read("standing", ZERO_ADDRESS) == (ZERO_DIGEST, ZERO_ADDRESS, ZERO_DIGEST, 0, False)


def test_admission_needs_the_threshold(network: TestNetwork) -> None:
    enclave = network.enclave()
    admission = network.admission(enclave)
    call = (admission, b"")
    sender = enclave.operator.address
    registry = network.registry
    registry.refuses("registry: signatures", "admit", *call, [], sender=sender)
    registry.refuses("registry: signatures", "admit", *call, network.sign_admission(admission, (2,)), sender=sender)
    twice = network.sign_admission(admission, (1, 1))
    registry.refuses("gatekeeping: order", "admit", *call, twice, sender=sender)
    strangers = [secret("stranger").sign(admission.digest(network.evm.chain_id, registry.address))]
    registry.refuses("gatekeeping: signer", "admit", *call, strangers, sender=sender)
    for wrong in (admission.digest(1, registry.address), admission.digest(network.evm.chain_id, ZERO_ADDRESS)):
        foreign = [key.sign(wrong) for key in network.gatekeepers]
        registry.refuses("gatekeeping: signer", "admit", *call, foreign, sender=sender)
    registry.read("admit", *call, network.sign_admission(admission, (0, 2)), sender=sender)
    registry.read("admit", *call, network.sign_admission(admission, (0, 1, 2)), sender=sender)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("platform", digest("other")),
        ("role", ROLE_GATEKEEPER),
        ("signer", secret("other").address),
        ("sealing_key", digest("other")),
        ("evidence_digest", digest("other")),
        ("measurement", digest("other")),
        ("root", digest("other")),
        ("level", 1),
        ("simulated", False),
        ("expires", 2**63),
    ],
)
def test_signatures_cover_every_field(network: TestNetwork, field: str, value: object) -> None:
    enclave = network.enclave()
    admission = network.admission(enclave)
    signatures = network.sign_admission(admission)
    altered = replace(admission, **{field: value})
    network.registry.refuses("gatekeeping: signer", "admit", altered, b"", signatures, sender=enclave.operator.address)


def test_only_the_operator_admits(network: TestNetwork) -> None:
    enclave = network.enclave()
    refuse_admission(
        network, "registry: operator", enclave, network.admission(enclave), sender=network.stranger.address
    )


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("registry: role", {"role": 0}),
        ("registry: role", {"role": 3}),
        ("registry: member zero", {"signer": ZERO_ADDRESS}),
        ("registry: member zero", {"sealing_key": ZERO_DIGEST}),
        ("registry: configuration", {"configuration": digest("other")}),
        ("registry: configuration", {"configuration": ZERO_DIGEST}),
        ("registry: block", {"block_hash": digest("fork")}),
        ("registry: block", {"block_number": 2**64 - 1}),
        ("registry: expired", {"expires": 0}),
    ],
)
def test_admission_refuses(network: TestNetwork, reason: str, changes: dict[str, object]) -> None:
    enclave = network.enclave()
    refuse_admission(network, reason, enclave, network.admission(enclave, **changes))


def test_admission_expires_with_the_chains_time(network: TestNetwork) -> None:
    enclave = network.enclave()
    now = network.evm.timestamp()
    refuse_admission(network, "registry: expired", enclave, network.admission(enclave, expires=now))


def test_admission_refuses_a_block_whose_hash_is_gone(network: TestNetwork) -> None:
    enclave = network.enclave()
    old = network.evm.block_without_hash()
    changes = {"block_number": old, "block_hash": network.evm.block_hash(old)}
    refuse_admission(network, "registry: block", enclave, network.admission(enclave, **changes))


def test_readmission_replaces_the_key_at_once(network: TestNetwork) -> None:
    registry, first = network.registry, network.enclave()
    network.admit(first)
    second = replace(first, signer=secret(network.label("restart")))
    assert second.worker == first.worker
    network.admit(second)
    assert registry.read("worker_of", first.signer.address) == ZERO_DIGEST
    assert registry.read("worker_of", second.signer.address) == first.worker
    assert registry.read("standing", first.signer.address)[0] == ZERO_DIGEST
    for signer in (first.signer, second.signer):
        assert registry.read("bound_worker", signer.address) == first.worker
    refuse_admission(network, "registry: signer", first, network.admission(first))


def test_readmission_with_the_same_key_renews(network: TestNetwork) -> None:
    enclave = network.enclave()
    network.admit(enclave)
    network.admit(enclave, expires=2**40)
    assert network.registry.read("standing", enclave.signer.address)[3] == 2**40


def test_a_key_serves_one_worker(network: TestNetwork) -> None:
    one, other = network.enclave(0), network.enclave(1)
    network.admit(one)
    thief = replace(other, signer=one.signer)
    refuse_admission(network, "registry: signer", thief, network.admission(thief))


def test_a_worker_keeps_its_role(network: TestNetwork) -> None:
    enclave = network.enclave()
    network.admit(enclave)
    refuse_admission(network, "registry: role", enclave, network.admission(enclave, role=ROLE_GATEKEEPER))


def test_revocation_is_for_good(network: TestNetwork) -> None:
    registry, enclave = network.registry, network.enclave()
    registry.refuses("registry: worker", "revoke", enclave.worker, sender=network.guardian.address)
    network.admit(enclave)
    for nobody in (network.stranger, network.deployer, enclave.operator):
        registry.refuses("registry: guardian", "revoke", enclave.worker, sender=nobody.address)
    mined = registry.send(network.guardian, "revoke", enclave.worker)
    event = registry.event(mined, "Revoked")
    assert event == {"worker": enclave.worker, "signer": enclave.signer.address, "equivocation": False}
    assert registry.read("standing", enclave.signer.address)[4] is True
    registry.refuses("registry: revoked", "revoke", enclave.worker, sender=network.guardian.address)
    refuse_admission(network, "registry: revoked", enclave, network.admission(enclave))
    restarted = replace(enclave, signer=secret(network.label("restart")))
    refuse_admission(network, "registry: revoked", restarted, network.admission(restarted))


def test_only_settlement_revokes_for_equivocation(network: TestNetwork) -> None:
    enclave = network.enclave()
    network.admit(enclave)
    for nobody in (network.guardian, network.deployer):
        network.registry.refuses(
            "registry: settlement", "revoke_for_equivocation", enclave.worker, sender=nobody.address
        )


def test_guardian_leaves_a_threshold_of_gatekeepers(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeepers = [network.enclave(operator) for operator in range(3)]
    for enclave in gatekeepers:
        network.admit(enclave, role=ROLE_GATEKEEPER)
    network.admit(gatekeepers[0], role=ROLE_GATEKEEPER)  # a renewal counts once
    assert network.registry.read("gatekeeper_count") == 3
    network.registry.send(network.guardian, "revoke", gatekeepers[0].worker)
    assert network.registry.read("gatekeeper_count") == 2
    network.registry.refuses("registry: threshold", "revoke", gatekeepers[1].worker, sender=network.guardian.address)


def test_configuration_is_set_once_by_the_deployer(network: TestNetwork, evm: Evm) -> None:
    assert network.registry.read("configuration") == network.configuration
    registry = evm.deploy("Registry", *[ZERO_ADDRESS] * 3, network.deployer.address, ZERO_ADDRESS, 1)
    registry.refuses("registry: deployer", "set_configuration", digest("c"), sender=network.guardian.address)
    registry.refuses("registry: configuration", "set_configuration", ZERO_DIGEST, sender=network.deployer.address)
    mined = registry.send(network.deployer, "set_configuration", digest("c"))
    assert registry.event(mined, "Configured") == {"configuration": digest("c")}
    registry.refuses("registry: configuration set", "set_configuration", digest("d"), sender=network.deployer.address)


def test_nothing_is_admitted_before_the_configuration(network: TestNetwork, evm: Evm) -> None:
    registry = evm.deploy(
        "Registry",
        network.gatekeeping,
        network.guardian.address,
        ZERO_ADDRESS,
        network.deployer.address,
        ZERO_ADDRESS,
        DELAY,
    )
    enclave = network.enclave()
    for configuration in (ZERO_DIGEST, network.configuration):
        admission = network.admission(enclave, configuration=configuration)
        signed = admission.digest(evm.chain_id, registry.address)
        signatures = [key.sign(signed) for key in network.gatekeepers]
        registry.refuses(
            "registry: configuration", "admit", admission, b"", signatures, sender=enclave.operator.address
        )


def test_endpoint(network: TestNetwork) -> None:
    registry, enclave = network.registry, network.enclave()
    registry.refuses("registry: worker", "set_endpoint", enclave.worker, "x", sender=enclave.operator.address)
    network.admit(enclave)
    registry.refuses("registry: operator", "set_endpoint", enclave.worker, "x", sender=network.stranger.address)
    mined = registry.send(enclave.operator, "set_endpoint", enclave.worker, "https://worker.example:9000")
    event = registry.event(mined, "EndpointSet")
    assert event == {"worker": enclave.worker, "endpoint": "https://worker.example:9000"}
    assert registry.read("endpoints", enclave.worker) == "https://worker.example:9000"
    with pytest.raises(Reverted):
        registry.read("set_endpoint", enclave.worker, "x" * 257, sender=enclave.operator.address)


def test_evidence_is_bounded(network: TestNetwork) -> None:
    enclave = network.enclave()
    admission = network.admission(enclave)
    signatures = network.sign_admission(admission)
    largest = b"\xee" * 24576
    with pytest.raises(Reverted):
        network.registry.read("admit", admission, largest + b"\0", signatures, sender=enclave.operator.address)
    mined = network.registry.send(enclave.operator, "admit", admission, largest, signatures)
    assert network.registry.event(mined, "Admitted")["evidence"] == largest


def test_blocks_of_another_fork_are_refused(network: TestNetwork) -> None:
    enclave = network.enclave()
    admission = network.admission(enclave)
    assert isinstance(admission.block_hash, bytes)
    forked = replace(admission, block_hash=Digest(admission.block_hash[:31] + bytes([admission.block_hash[31] ^ 1])))
    refuse_admission(network, "registry: block", enclave, forked)
