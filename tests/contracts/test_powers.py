"""What privileged accounts can do, enumerated from the ABIs (PROTOCOL 1.4; docs/powers.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain import artifacts
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.upgrade_policy import UpgradePolicy
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.network import CONTRACTS, DELAY, TestNetwork, digest, padded_name

PAGE = (Path(__file__).parents[2] / "docs" / "powers.md").read_text("utf-8")
_ALLOWED_NAMES = {"pause_admission"}  # PROTOCOL 1.4: nothing else can be paused
_FORBIDDEN_WORDS = ("upgrade", "pause", "owner", "mint", "sweep", "rescue", "selfdestruct", "set_code", "transfer")


def rows(columns: int) -> list[list[str]]:
    """The rows of the page's table with so many columns."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    return [row for row in cells if len(row) == columns and row[0] in CONTRACTS]


PRIVILEGED = {(row[0], row[1]): row for row in rows(5)}
PUBLIC = {(row[0], row[1]): row for row in rows(3)}


def abi_of(contract: str) -> list[dict[str, Any]]:
    """As the compiler wrote it."""
    path = Path(artifacts.__file__).with_name("artifacts") / f"{contract}.json"
    return list(json.loads(path.read_text("utf-8"))["abi"])


def changing_functions() -> set[tuple[str, str]]:
    """(contract, function) of everything that is not a view."""
    return {
        (name, entry["name"])
        for name in CONTRACTS
        for entry in abi_of(name)
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }


def test_the_page_lists_every_function_that_changes_anything() -> None:
    assert changing_functions() == set(PRIVILEGED) | set(PUBLIC)
    assert not set(PRIVILEGED) & set(PUBLIC)


def test_no_contract_takes_ether_or_calls_by_default() -> None:
    """But programs' accounts, which are for that; ``Accounts`` itself refuses (test_accounts.py)."""
    taking = {name for name in CONTRACTS for entry in abi_of(name) if entry["type"] in ("fallback", "receive")}
    assert taking == {"Accounts"}


def test_nothing_is_named_like_a_back_door() -> None:
    names = {function for _, function in changing_functions()} - _ALLOWED_NAMES
    assert not [name for name in names if any(word in name for word in _FORBIDDEN_WORDS)]


Calls = dict[tuple[str, str], tuple[list[Any], frozenset[bytes]]]
Powers = tuple[TestNetwork, Calls]


def _calls(network: TestNetwork) -> Calls:
    """For each privileged function: arguments that its check of the sender sees, and who passes that check."""
    cluster = network.create_cluster(members=1, quorum=1)
    member, new = cluster.members[0], network.enclave(1)
    network.admit(new)
    admission = network.admission(network.enclave(2))
    deployer, guardian = network.deployer.address, network.guardian.address
    gatekeeper = network.gatekeepers[0].address
    contracts = {name: getattr(network, name.lower()).address for name in CONTRACTS}
    timelock, code = UpgradePolicy.timelock(1).fields, network.publish()
    program, waiting = (network.instantiate(cluster.id, code, UpgradePolicy.timelock(1).digest()) for _ in range(2))
    network.programs.send(network.deployer, "announce", waiting, timelock, code, 1, [])
    return {
        ("Directory", "set"): ([padded_name("Nowhere"), contracts["Inbox"]], frozenset({deployer})),
        ("Directory", "seal"): ([], frozenset({deployer})),
        ("Registry", "set_configuration"): ([digest("another")], frozenset({deployer})),
        ("Gatekeeping", "initialize"): ([1, network.genesis_members(), digest("another"), []], frozenset({deployer})),
        ("Registry", "revoke"): ([member.worker], frozenset({guardian})),
        ("Registry", "distrust"): ([digest("subject")], frozenset({guardian})),
        ("Registry", "trust_again"): ([digest("subject")], frozenset({network.proposer.address})),
        ("Registry", "announce_measurement"): ([digest("new"), 2], frozenset({network.proposer.address})),
        ("Registry", "raise_minimum_version"): ([digest("new")], frozenset({guardian, network.proposer.address})),
        ("Registry", "raise_minimum_evaluation"): ([1], frozenset({guardian, network.proposer.address})),
        ("Registry", "pin_collateral"): ([[digest("pin")]], frozenset({network.proposer.address})),
        ("Registry", "pause_admission"): ([], frozenset({guardian})),
        ("Registry", "resume_admission"): ([], frozenset({network.proposer.address})),
        ("Registry", "revoke_for_equivocation"): ([member.worker], frozenset({contracts["Settlement"]})),
        ("Registry", "admit"): (
            [admission, b"evidence", network.sign_admission(admission)],
            frozenset({admission.operator}),
        ),
        ("Registry", "set_endpoint"): ([member.worker, "http://nowhere"], frozenset({member.operator.address})),
        ("Clusters", "join"): ([cluster.id, new.worker], frozenset({new.operator.address})),
        ("Clusters", "approve"): ([cluster.id, new.worker], frozenset({deployer})),
        ("Clusters", "remove"): ([cluster.id, member.worker], frozenset({deployer, guardian})),
        ("Clusters", "raise_epoch"): ([cluster.id], frozenset({deployer, guardian})),
        ("Clusters", "announce_runtime"): ([cluster.id, digest("next runtime"), DELAY], frozenset({deployer})),
        ("Clusters", "withdraw_runtime"): ([cluster.id], frozenset({deployer})),
        ("Accounts", "bind"): ([digest("program")], frozenset({contracts["Accounts"]})),
        ("Programs", "announce"): ([program, timelock, code, 1, []], frozenset({deployer})),
        ("Programs", "withdraw"): ([waiting, timelock, []], frozenset({deployer})),
        # the deployer is also the operator of the test's committee
        ("Gatekeeping", "post"): ([network.genesis, 0, 1, b"message"], frozenset({gatekeeper, deployer})),
        ("Gatekeeping", "propose"): ([1, network.genesis_members()[:1]], frozenset({network.proposer.address})),
        ("Gatekeeping", "propose_refresh"): ([], frozenset({*(key.address for key in network.gatekeepers), deployer})),
        ("Gatekeeping", "reopen"): ([], frozenset({*(key.address for key in network.gatekeepers), deployer})),
        ("Beacon", "post_message"): ([digest("session"), 0, 1, b"message"], frozenset({gatekeeper, deployer})),
        ("Gatekeeping", "revoke"): ([gatekeeper], frozenset({guardian})),
        ("Gatekeeping", "set_endpoint"): ([gatekeeper, "http://nowhere"], frozenset({deployer})),
        ("Gatekeeping", "publish_evidence"): (
            [gatekeeper, (bytes(33), 1, digest("checkpoint"), 2, digest("block")), b"evidence"],
            frozenset({deployer, network.proposer.address}),
        ),
        ("Inbox", "append_system"): ([cluster.id, int(LinkKind.MEMBER), b"?"], frozenset({contracts["Clusters"]})),
        ("Fees", "reserve"): ([network.stranger.address, cluster.id, 0, 0], frozenset({contracts["Inbox"]})),
    }


@pytest.fixture(scope="module")
def powers(dev_evm: Evm) -> Powers:
    network = TestNetwork(dev_evm)
    return network, _calls(network)


@pytest.mark.parametrize("function", sorted(PRIVILEGED), ids=".".join)
def test_only_the_named_account_passes(powers: Powers, function: tuple[str, str]) -> None:
    network, calls = powers
    arguments, allowed = calls[function]
    contract, name = function
    deployed: Deployed = getattr(network, contract.lower())
    refusal = PRIVILEGED[function][4]
    people: list[PrivateKey] = [*network.evm.keys, *network.gatekeepers]
    everybody = {key.address for key in people} | {getattr(network, other.lower()).address for other in CONTRACTS}
    assert allowed <= everybody
    passed = {sender for sender in everybody if _reason(deployed, name, arguments, sender) != refusal}
    assert passed == allowed


def _reason(deployed: Deployed, name: str, arguments: list[Any], sender: bytes) -> str:
    try:
        deployed.evm.call(deployed.address, deployed.encode(name, *arguments), sender)  # type: ignore[arg-type]
    except Reverted as refused:
        return refused.reason
    return ""


def test_after_genesis_the_deployer_changes_nothing(powers: Powers) -> None:
    network, calls = powers
    network.directory.send(network.deployer, "seal")
    once = {
        ("Directory", "set"): "directory: sealed",
        ("Directory", "seal"): "directory: sealed",
        ("Registry", "set_configuration"): "registry: configuration set",
        ("Gatekeeping", "initialize"): "gatekeeping: initialized",
    }
    assert set(once) == {function for function, row in PRIVILEGED.items() if row[2] == "deployer"}
    for (contract, name), refusal in once.items():
        arguments, _ = calls[contract, name]
        assert _reason(getattr(network, contract.lower()), name, arguments, network.deployer.address) == refusal


def test_the_page_names_the_revert_that_the_contract_has() -> None:
    for (contract, _), row in PRIVILEGED.items():
        source = (Path(__file__).parents[2] / "contracts" / contract.lower() / f"{contract}.vy").read_text("utf-8")
        assert re.search(rf'assert msg\.sender [^\n]+, "{re.escape(row[4])}"', source), (contract, row)


