"""The same random transactions on this node and on anvil: equal receipts, logs, return data, state and proofs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth_abi import encode
from eth_account import Account
from web3 import Web3

from coprocessor.crypto.hashing import keccak256
from tests.devnode.contract import CHAIN_ID, PLENTY_OF_FEE, Probe, Wallet, call_data, deployment, wallet
from tests.support.anvil import run_anvil
from tests.support.node import DevNode, RpcClient, RpcFailure, run_dev_node

ROUNDS = 250
MAX_POLLS = 10_000
RECEIPT_FIELDS = (
    "status",
    "gasUsed",
    "cumulativeGasUsed",
    "contractAddress",
    "effectiveGasPrice",
    "from",
    "to",
    "type",
    "transactionIndex",
    "transactionHash",
    "logsBloom",
    "blockNumber",
)
LOG_FIELDS = ("address", "topics", "data", "logIndex", "transactionIndex", "transactionHash", "removed", "blockNumber")


class Pair:
    """Both nodes, fed alike."""

    def __init__(self, node: DevNode, oracle: RpcClient) -> None:
        self.node = node
        self.oracle = oracle

    def call(self, method: str, *parameters: Any) -> Any:
        """The result, which must be equal on both."""
        ours, theirs = self.node.call(method, *parameters), self.oracle.call(method, *parameters)
        assert ours == theirs, (method, parameters)
        return ours

    def outcome(self, method: str, *parameters: Any) -> Any:
        """The result or the revert data, which must be equal on both."""
        ours, theirs = (_outcome(node, method, *parameters) for node in (self.node, self.oracle))
        assert ours == theirs, (method, parameters)
        return ours

    def send(self, raw: str) -> dict[str, Any]:
        """Execute a transaction on both and compare the receipts."""
        ours, theirs = (_receipt(node, node.call("eth_sendRawTransaction", raw)) for node in (self.node, self.oracle))
        assert _pick(ours, RECEIPT_FIELDS) == _pick(theirs, RECEIPT_FIELDS)
        assert [_pick(log, LOG_FIELDS) for log in ours["logs"]] == [_pick(log, LOG_FIELDS) for log in theirs["logs"]]
        return dict(ours)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    # Anvil charges its first block the genesis base fee; on Ethereum, and here, that fell by an eighth already.
    with run_anvil("--gas-limit", "36000000", "--base-fee", "875000000") as anvil, run_dev_node() as node:
        yield Pair(node, RpcClient(anvil.url))


@pytest.fixture(scope="module")
def owner() -> Wallet:
    return wallet(0)


@pytest.fixture(scope="module")
def probe(pair: Pair, owner: Wallet) -> Probe:
    receipt = pair.send(owner.sign(None, deployment(7), gas=3_000_000, value=10**18))
    assert receipt["status"] == "0x1"
    return Probe(pair.node, receipt["contractAddress"])


def test_random_transactions_do_the_same(pair: Pair, probe: Probe) -> None:
    choose = random.Random(20261122)
    wallets = [wallet(i) for i in range(1, 6)]
    statuses = set()
    for _ in range(ROUNDS):
        sender = choose.choice(wallets)
        receipt = pair.send(_random_transaction(choose, sender, probe.address))
        statuses.add(receipt["status"])
    assert statuses == {"0x0", "0x1"}
    for sender in wallets:
        pair.call("eth_getTransactionCount", sender.address, "latest")
        pair.call("eth_getBalance", sender.address, "latest")
    pair.call("eth_getBalance", probe.address, "latest")
    _compare_logs(pair, {"fromBlock": "0x0", "toBlock": "latest", "address": probe.address})


def test_the_deepest_calls_do_the_same(pair: Pair, probe: Probe, owner: Wallet) -> None:
    for depth in (300, 1023, 1024):
        pair.send(owner.sign(probe.address, call_data("nest(uint256)", depth), gas=16_777_216))


def test_delegated_code_does_the_same(pair: Pair, probe: Probe) -> None:
    delegator, sponsor = wallet(7), wallet(8)
    signer = Account.from_key(delegator.key.secret)
    authorizations = [
        signer.sign_authorization({"chainId": chain, "address": probe.address, "nonce": nonce})
        for chain, nonce in ((CHAIN_ID, 0), (CHAIN_ID, 5), (CHAIN_ID + 1, 1), (0, 1))
    ]
    fields: dict[str, Any] = {
        "type": 4,
        "nonce": 0,
        "gas": 400_000,
        "maxFeePerGas": PLENTY_OF_FEE,
        "maxPriorityFeePerGas": 1,
        "to": Web3.to_checksum_address(delegator.address),
        "value": 0,
        "data": call_data("put(uint256,uint256)", 3, 4),
        "chainId": CHAIN_ID,
        "authorizationList": authorizations,
    }
    raw = Account.from_key(sponsor.key.secret).sign_transaction(fields).raw_transaction
    assert pair.send("0x" + bytes(raw).hex())["status"] == "0x1"
    assert pair.call("eth_getCode", delegator.address, "latest") == "0xef0100" + probe.address[2:]
    assert pair.call("eth_getTransactionCount", delegator.address, "latest") == "0x2"
    note = call_data("note(uint256,bytes32,bytes,uint256)", 1, bytes(32), b"", 2)
    assert pair.send(wallet(8, 1).sign(delegator.address, note))["status"] == "0x1"


def test_proofs_are_the_same(pair: Pair, owner: Wallet) -> None:
    # A contract whose slots never return to zero: anvil keeps those in its storage trie, which Ethereum does not.
    contract = pair.send(owner.sign(None, deployment(7), gas=3_000_000))["contractAddress"]
    for key in range(1, 40):
        pair.send(owner.sign(contract, call_data("put(uint256,uint256)", key, key * 2**100)))
    keys = [f"0x{slot:064x}" for slot in (0, 1, 2)]
    keys += ["0x" + keccak256(encode(["uint256", "uint256"], [0, key])).hex() for key in range(1, 60)]
    for address in (contract, wallet(1).address, "0x" + "77" * 20):
        ours, theirs = (n.call("eth_getProof", address, keys, "latest") for n in (pair.node, pair.oracle))
        for name in ("balance", "nonce", "codeHash", "storageHash"):
            assert ours[name] == theirs[name], (address, name)
        for mine, other in zip(ours["storageProof"], theirs["storageProof"], strict=True):
            assert (mine["key"], mine["value"]) == (other["key"], other["value"])
            if address == contract:
                assert mine["proof"] == other["proof"]


def test_reads_do_the_same(pair: Pair, probe: Probe, owner: Wallet) -> None:
    signature = _p256_input(b"held against the oracle")
    broken = signature[:40] + bytes((signature[40] ^ 1,)) + signature[41:]
    for data in (
        call_data("precompiles(bytes)", b"some data"),
        call_data("verify_p256(bytes)", signature),
        call_data("verify_p256(bytes)", broken),
        call_data("total()"),
        call_data("fail(string)", "no such luck"),
        call_data("fail_bare()"),
        b"\xde\xad\xbe\xef",
    ):
        pair.outcome("eth_call", {"from": owner.address, "to": probe.address, "data": "0x" + data.hex()}, "latest")
    pair.call("eth_getCode", probe.address, "latest")
    pair.call("eth_getStorageAt", probe.address, "0x1", "latest")
    assert int(probe.read("verify_p256(bytes)", "bytes", signature).hex() or "0", 16) == 1


@pytest.mark.parametrize(
    "data",
    [
        call_data("put(uint256,uint256)", 900, 5),
        call_data("note(uint256,bytes32,bytes,uint256)", 1, b"\1" * 32, b"\2" * 300, 5),
        call_data("clear(uint256,uint256)", 0, 30),
        call_data("nest(uint256)", 5),
        call_data("try_burn(uint256,uint256)", 50_000, 30_000),
        call_data("clone()"),
    ],
    ids=["put", "note", "clear", "nest", "try_burn", "clone"],
)
def test_estimates_suffice_and_are_close(pair: Pair, probe: Probe, owner: Wallet, data: bytes) -> None:
    request = {"from": owner.address, "to": probe.address, "data": "0x" + data.hex()}
    ours = int(pair.node.call("eth_estimateGas", request), 16)
    theirs = int(pair.oracle.call("eth_estimateGas", request), 16)
    assert pair.send(owner.sign(probe.address, data, gas=ours))["status"] == "0x1"
    assert abs(ours - theirs) <= max(ours, theirs) * 4 // 100


def test_fee_fields_of_blocks_are_the_same(pair: Pair, probe: Probe) -> None:
    ours, theirs = (n.call("eth_getBlockByNumber", "latest", True) for n in (pair.node, pair.oracle))
    for name in ("number", "baseFeePerGas", "gasLimit", "gasUsed", "transactionsRoot", "receiptsRoot", "logsBloom"):
        assert ours[name] == theirs[name], name
    assert set(theirs["transactions"][0]) - {"blockTimestamp"} <= set(ours["transactions"][0])


def _random_transaction(choose: random.Random, sender: Wallet, probe: str) -> str:
    number = choose.randrange(40)
    kind = choose.randrange(20)
    if kind == 0:
        return sender.sign("0x" + choose.randbytes(20).hex(), value=choose.randrange(10**18), gas=21_000)
    if kind == 1:
        return sender.sign(None, deployment(number), gas=choose.choice([200_000, 1_200_000, 3_000_000]))
    if kind == 2:
        return sender.sign(None, choose.randbytes(50), gas=100_000)
    if kind == 3:
        return sender.sign(probe, value=choose.randrange(10**15), gas=60_000)
    if kind == 4:
        return sender.sign("0x" + "00" * 19 + "04", choose.randbytes(100), gas=100_000)
    if kind in (5, 6, 7):
        return sender.sign(
            None, _random_program(choose), gas=choose.choice([80_000, 300_000]), value=choose.randrange(3)
        )
    if kind == 8:
        return _sign_as_type(choose.choice([0, 1]), choose, sender, probe)
    data = choose.choice(
        [
            call_data("put(uint256,uint256)", number, choose.randrange(2**64)),
            call_data("put(uint256,uint256)", number, 0),
            call_data("clear(uint256,uint256)", number, choose.randrange(30)),
            call_data(
                "note(uint256,bytes32,bytes,uint256)",
                number,
                choose.randbytes(32),
                choose.randbytes(choose.randrange(1000)),
                choose.randrange(12),
            ),
            call_data("fail(string)", "because " * choose.randrange(5)),
            call_data("fail_bare()"),
            call_data("burn(uint256)", choose.randrange(4000)),
            call_data("try_burn(uint256,uint256)", choose.randrange(2000), choose.randrange(100_000)),
            call_data("nest(uint256)", choose.randrange(12)),
            call_data("clone()"),
            call_data("pay(address,uint256)", "0x" + choose.randbytes(20).hex(), choose.randrange(10**15)),
            call_data("swirl(uint256)", 3)[:-1],
            choose.randbytes(choose.randrange(64)),
        ]
    )
    return sender.sign(probe, data, gas=choose.choice([70_000, 250_000, 1_000_000]))


def _random_program(choose: random.Random) -> bytes:
    """Code that mostly runs: small operands, and every opcode but those that see the block's miner, time or seed.

    Left out besides: CLZ, which only Osaka has.
    """
    unseen = {0x40, 0x41, 0x42, 0x44, 0x1E}
    opcodes = [op for op in range(0x01, 0x60) if op not in unseen]
    opcodes += [*range(0x80, 0xA5), *[0x54, 0x55, 0x51, 0x52, 0x5C, 0x5D] * 3]
    opcodes += [0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA]
    code = bytearray()
    for _ in range(choose.randrange(40)):
        for _ in range(choose.randrange(4)):
            code += bytes((0x60, choose.choice([0, 1, 2, 32, 64, 255])))
        code.append(choose.choice(opcodes))
    return bytes(code) + choose.choice([b"", b"\xff", bytes.fromhex("60205ff3"), bytes.fromhex("60205ffd"), b"\xfe"])


def _sign_as_type(type_id: int, choose: random.Random, sender: Wallet, probe: str) -> str:
    fields: dict[str, Any] = {
        "nonce": sender.nonce,
        "gasPrice": PLENTY_OF_FEE,
        "gas": 200_000,
        "to": Web3.to_checksum_address(probe),
        "value": 0,
        "data": call_data("put(uint256,uint256)", choose.randrange(40), choose.randrange(9)),
        "chainId": CHAIN_ID,
    }
    if type_id == 1:
        slots = ["0x" + slot.to_bytes(32, "big").hex() for slot in range(choose.randrange(3))]
        fields |= {"type": 1, "accessList": [{"address": probe, "storageKeys": slots}]}
    sender.nonce += 1
    return "0x" + bytes(Account.from_key(sender.key.secret).sign_transaction(fields).raw_transaction).hex()


def _compare_logs(pair: Pair, wanted: dict[str, Any]) -> None:
    ours, theirs = pair.node.call("eth_getLogs", wanted), pair.oracle.call("eth_getLogs", wanted)
    assert ours
    assert [_pick(log, LOG_FIELDS) for log in ours] == [_pick(log, LOG_FIELDS) for log in theirs]


def _receipt(node: RpcClient, digest: str) -> dict[str, Any]:
    """The receipt; anvil acknowledges before it mines."""
    for _ in range(MAX_POLLS):
        receipt = node.call("eth_getTransactionReceipt", digest)
        if receipt is not None:
            return dict(receipt)
    raise AssertionError(f"no receipt of {digest}")


def _pick(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names}


def _outcome(node: RpcClient, method: str, *parameters: Any) -> tuple[str, Any]:
    try:
        return "result", node.call(method, *parameters)
    except RpcFailure as failure:
        return "revert", (failure.code, failure.data)


def _p256_input(message: bytes) -> bytes:
    key = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    hashed = digest.finalize()
    r, s = utils.decode_dss_signature(key.sign(hashed, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    point = key.public_key().public_numbers()
    return hashed + b"".join(value.to_bytes(32, "big") for value in (r, s, point.x, point.y))
