"""Each example once across real processes, through the SDK: what the pages promise, on one network for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import TransactionReverted
from coprocessor.client.deployment import DeployOptions
from coprocessor.client.network import UpgradeAnnounced
from coprocessor.client.sync import NetworkClient, connect
from coprocessor.protocol.upgrade_policy import UpgradePolicy
from coprocessor.sandbox import project
from coprocessor.values.errors import CallerMisuse, GuestFailed
from tests.examples.modules import load_file
from tests.examples.scene import EXAMPLES, Theatre
from tests.support.live import LiveNetwork, phat, wait_until, write_key
from tests.support.node import RpcClient
from tests.support.python_guest import compiled_python_guest
from tests.support.treasury import TREASURY

OWNER, ALICE, BOB, *_ = development_keys()


@pytest.fixture(scope="module", autouse=True)
def _compiled_once() -> Iterator[None]:
    """The author's machine compiles the CPython guest for each deployment; the tests' kept one is the same code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "compile_guest", compiled_python_guest)
        yield


@pytest.fixture(scope="module")
def net(live_network: LiveNetwork) -> Iterator[NetworkClient]:
    """As account 0."""
    with connect(live_network.folder, key=OWNER) as connected:
        yield connected


@pytest.mark.parametrize("path", ["counter/counter.py", "c_counter/counter.wasm"])
def test_counters(net: NetworkClient, path: str) -> None:
    program = net.deploy(EXAMPLES / path, start=40)
    assert program.call("add", 2).result() == 42
    assert program.query("get") == 42


COUNTER = """
from phat import Contract, command, query

class Counter(Contract):
    count: int = 0

    @command
    def add(self, by: int) -> int:
        self.count += by
        return self.count

    @query
    def get(self) -> int:
        return self.count
"""
NEXT = """
    @command
    def upgrade(self) -> None:
        self.count += 1000

    @command
    def double(self) -> int:
        self.count *= 2
        return self.count
"""


def is_early(execute: Callable[[], None]) -> bool:
    """Whether the chain's time has not come."""
    try:
        execute()
    except TransactionReverted as reverted:
        return "programs: early" in str(reverted)
    return False


def test_code_changes_after_its_delay_and_state_stays(
    net: NetworkClient, live_network: LiveNetwork, tmp_path: Path
) -> None:
    """Announced, warned of, refused before its time, executed by a stranger; receipts of both versions hold."""
    first, second, where = tmp_path / "first.py", tmp_path / "second.py", ("--network", str(live_network.folder))
    first.write_text(COUNTER)
    second.write_text(COUNTER + NEXT)
    counter = net.deploy(first, options=DeployOptions(policy=UpgradePolicy.timelock(12)))
    before = counter.call("add", 5)
    assert before.result() == 5
    assert "method 'double'" in phat("call", counter.id, "double", *where, fails=True)["what"]

    with pytest.raises(TransactionReverted, match="programs: owner"):
        counter.announce(second, author=ALICE)
    ready = counter.announce(second)
    with pytest.raises(TransactionReverted, match="programs: early"):
        counter.execute(author=ALICE)
    with pytest.warns(UpgradeAnnounced, match="leaves until then"):
        assert counter.query("get") == 5
    called = phat("call", counter.id, "add", "2", *where)
    assert (called["result"], called["upgrade_announced"]["ready"]) == (7, ready)

    links: list[int] = []
    wait_until(lambda: not is_early(lambda: links.append(counter.execute(author=ALICE))))
    assert counter.query("get") == 1007
    after = counter.call("double")
    assert after.result() == 2014
    shown = phat("upgrade", counter.id, *where)
    assert [version["link"] for version in shown["versions"]] == [None, *links]
    assert (shown["version"], shown["policy"]) == (2, "timelock of 12 seconds, announced by the owner")
    assert "upgrade_announced" not in shown
    for number, handle in enumerate((before, after)):
        (tmp_path / f"{number}.json").write_text(handle.receipt())
        assert phat("verify", str(tmp_path / f"{number}.json"), "--network", str(live_network.file))["ok"] is True


VAULT = """
from phat import Address, Contract, Map, command, query

class Vault(Contract):
    kept: Map[Address, str]

    @command
    def keep(self, text: str) -> None:
        self.kept[self.env.caller] = text

    @command
    def take(self) -> str:
        text = self.kept[self.env.caller]
        del self.kept[self.env.caller]
        return text
"""
GREEDY = """
    @query
    def peek(self, whose: Address) -> str:
        return self.kept.get(whose, "")
"""


def test_voters_change_the_code_and_who_does_not_like_it_leaves_before(
    net: NetworkClient, live_network: LiveNetwork, tmp_path: Path
) -> None:
    """PROTOCOL 12: votes of the policy's keys alone announce; in the window authors take their data with them."""
    where, keys = ("--network", str(live_network.folder)), {"alice": ALICE, "bob": BOB, "owner": OWNER}
    key = {name: ("--key", str(write_key(tmp_path / name, bytes(one.secret)))) for name, one in keys.items()}
    (tmp_path / "vault.py").write_text(VAULT)
    (tmp_path / "greedy.py").write_text(VAULT + GREEDY)
    voters = {"threshold": 2, "delay": 12, "keys": ["0x" + one.address.hex() for one in (ALICE, BOB)]}
    (tmp_path / "voters.json").write_text(json.dumps(voters))
    deployed = phat("deploy", str(tmp_path / "vault.py"), "--upgrade", f"votes:{tmp_path / 'voters.json'}", *where)
    vault = net.program(deployed["program"])
    for author, text in ((ALICE, "who trusts it"), (OWNER, "who does not")):
        vault.call("keep", text, author=author).result()

    def change(*words: str, fails: bool = False) -> dict[str, Any]:
        return phat("upgrade", vault.id, *words, *where, fails=fails)

    next_code = str(tmp_path / "greedy.py")
    votes = [change(next_code, "--sign", *key[name])["vote"] for name in ("alice", "bob")]
    for too_few in ((), votes[:1], votes[:1] * 2):
        refused = change(next_code, *(f"--vote={vote}" for vote in too_few), fails=True)
        assert refused["code"] == "upgrade.votes", refused
    assert change(next_code, *(f"--vote={vote}" for vote in votes))["ready"]

    taken = phat("call", vault.id, "take", *key["owner"], *where)
    assert (taken["result"], taken["upgrade_announced"]["code_hash"] != deployed["code_hash"]) == ("who does not", True)
    wait_until(lambda: not is_early(lambda: vault.execute(author=BOB)))
    assert vault.query("peek", ALICE.address) == "who trusts it"
    assert vault.query("peek", OWNER.address) == ""
    assert "2 of 2 keys" in change()["policy"]


def test_a_program_pays_from_its_account(net: NetworkClient, live_network: LiveNetwork, tmp_path: Path) -> None:
    """Made, signed for by the workers, paid into, and used by a call that the program signs and a stranger relays."""
    where, node = ("--network", str(live_network.folder)), RpcClient(live_network.hints["rpc"])
    accounts = json.loads(live_network.file.read_text())["configuration"]["contracts"]["Accounts"]["address"]
    (tmp_path / "treasury.py").write_text(TREASURY)
    treasury = net.deploy(tmp_path / "treasury.py", accounts=accounts)
    before = phat("account", treasury.id, *where)
    assert (before["exists"], before["signer"], before["balance"]) == (False, None, 0)
    made = phat("account", treasury.id, "--create", *where)
    assert (made["account"], made["exists"]) == (before["account"], True)
    wait_until(lambda: phat("account", treasury.id, *where)["signer"] is not None)
    sender = node.call("eth_accounts")[2]
    node.call("eth_sendTransaction", {"from": sender, "to": made["account"], "value": hex(10**18)})

    to, deadline = "0x" + "0d" * 20, int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 600
    number, signature = treasury.call("pay", to, 7, b"", deadline).result()
    call = {"number": number, "to": to, "value": 7, "data": "0x", "deadline": deadline}
    signed = tmp_path / "call.json"
    signed.write_text(json.dumps(call | {"value": 8, "signature": "0x" + signature.hex()}))
    assert "accounts: signature" in str(phat("account", treasury.id, "--relay", str(signed), *where, fails=True))
    signed.write_text(json.dumps(call | {"signature": "0x" + signature.hex()}))
    stranger = write_key(tmp_path / "alice", bytes(ALICE.secret))
    done = phat("account", treasury.id, "--relay", str(signed), "--key", str(stranger), *where)
    assert (done["executed"], done["balance"]) == (1, 10**18 - 7)
    assert int(node.call("eth_getBalance", to, "latest"), 16) == 7
    assert "number used" in str(phat("account", treasury.id, "--relay", str(signed), *where, fails=True))


def test_a_frozen_program_never_changes(net: NetworkClient, tmp_path: Path) -> None:
    (tmp_path / "counter.py").write_text(COUNTER)
    counter = net.deploy(tmp_path / "counter.py")
    with pytest.raises(CallerMisuse, match="frozen"):
        counter.announce(tmp_path / "counter.py")


def test_ballot(net: NetworkClient) -> None:
    ballot = net.deploy(EXAMPLES / "ballot" / "ballot.py", choices=["yes", "no"])
    votes = net.batch()
    for author, choice in ((OWNER, "no"), (ALICE, "yes"), (BOB, "yes")):
        votes.add(ballot, "vote", choice, author=author)
    assert [vote.result() for vote in votes.submit()] == [None, None, None]
    assert ballot.query("tally") == {"no": 1, "yes": 2}


def test_token(net: NetworkClient) -> None:
    token = net.deploy(EXAMPLES / "token" / "confidential_token.py", name="Example", supply=1000)
    assert token.call("transfer", ALICE.address, 250).result() == 750
    too_much = token.call("transfer", BOB.address, 251, author=ALICE)
    with pytest.raises(GuestFailed, match="you have 250, which is less than 251"):
        too_much.result()
    assert token.query("balance_of", ALICE.address, caller=ALICE) == 250
    for stranger in (BOB, None):
        with pytest.raises(GuestFailed, match="sign the query"):
            token.query("balance_of", ALICE.address, caller=stranger)


def test_auction_reaches_its_consumer_and_a_bid_can_be_proven(live_network: LiveNetwork, tmp_path: Path) -> None:
    done = load_file("auction/run.py").run(str(live_network.folder))
    highest = development_keys()[3]
    assert (done["winner"].lower(), done["price"]) == ("0x" + highest.address.hex(), 75)
    receipt = tmp_path / "bid.json"
    where = ("--network", str(live_network.folder))
    key = write_key(tmp_path / "first_bidder.key", development_keys()[2].secret)
    assert phat("query", done["program"], "my_bid", "--as-caller", "--key", str(key), *where)["result"] == 40
    phat("receipt", done["program"], done["bids"][1], "--out", str(receipt), *where)
    verdict = phat("verify", str(receipt), "--network", str(live_network.file))
    assert (verdict["ok"], verdict["program"], verdict["index"]) == (True, done["program"], done["bids"][1])


def test_training_gives_what_the_sandbox_gives_to_the_last_bit(live_network: LiveNetwork, theatre: Theatre) -> None:
    done = load_file("training/run.py").train(str(live_network.folder), 20)
    scene = theatre.open("training/model")
    assert scene.call("train", 20) == done["report"]
    assert scene.last is not None
    assert scene.last.fuel == done["fuel"]
