"""The node as its clients see it: one process, JSON-RPC over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import rlp
from trie import HexaryTrie
from web3 import Web3

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.devnode.seals import MAX_RAW_HEADERS, compute_seal_digest
from coprocessor.devnode.server import MAX_BODY_BYTES
from coprocessor.headers.blocks import bloom_bits, may_emit, parse_roots, read_receipts, read_transactions
from coprocessor.values.identities import Digest
from tests.devnode.contract import ACCOUNTS, CHAIN_ID, Probe, Wallet, call_data, deploy, topic, wallet
from tests.support.node import DevNode, RpcFailure, run_dev_node

NOTED = topic("Noted(address,uint256,bytes32,bytes)")
PLAIN = topic("Plain(uint256)")
TARGET = "0x" + "77" * 20

HEADER_FIELDS = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)
HEADER_INTEGERS = frozenset(
    ("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas")
)


@pytest.fixture(scope="module")
def node() -> Iterator[DevNode]:
    with run_dev_node() as node:
        yield node


@pytest.fixture(scope="module")
def owner() -> Wallet:
    return wallet(0)


@pytest.fixture(scope="module")
def probe(node: DevNode, owner: Wallet) -> Probe:
    return deploy(node, owner)


def send(node: DevNode, raw: str) -> dict[str, Any]:
    return dict(node.call("eth_getTransactionReceipt", node.call("eth_sendRawTransaction", raw)))


def note(owner: Wallet, probe: Probe, key: int, times: int) -> str:
    data = call_data("note(uint256,bytes32,bytes,uint256)", key, key.to_bytes(32, "big"), b"payload", times)
    return owner.sign(probe.address, data)


def hash_header(block: dict[str, Any]) -> str:
    """Independent of the node's own header code."""
    items = []
    for name in HEADER_FIELDS:
        items.append(int(block[name], 16) if name in HEADER_INTEGERS else bytes.fromhex(block[name][2:]))
    return "0x" + keccak256(rlp.encode(items)).hex()


def test_the_chain_introduces_itself(node: DevNode) -> None:
    assert node.chain_id == CHAIN_ID
    assert node.call("eth_chainId") == hex(CHAIN_ID)
    assert node.call("net_version") == str(CHAIN_ID)
    assert node.call("web3_clientVersion").startswith("coprocessor-devnode/")
    assert node.call("eth_syncing") is False
    assert node.call("eth_accounts") == ["0x" + account.address.hex() for account in ACCOUNTS]
    assert node.call("eth_getBalance", wallet(9).address, "earliest") == hex(10_000 * 10**18)


def test_web3_deploys_and_calls(node: DevNode) -> None:
    from vyper import compile_code

    source = "stored: public(uint256)\n@external\ndef put(x: uint256):\n    self.stored = x\n"
    compiled = compile_code(source, output_formats=["abi", "bytecode"])
    w3 = Web3(Web3.HTTPProvider(node.url))
    sender = w3.eth.accounts[4]
    factory = w3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
    receipt = w3.eth.wait_for_transaction_receipt(factory.constructor().transact({"from": sender}))
    contract = w3.eth.contract(address=receipt["contractAddress"], abi=compiled["abi"])
    done = w3.eth.wait_for_transaction_receipt(contract.functions.put(42).transact({"from": sender}))
    assert done["status"] == 1
    assert contract.functions.stored().call() == 42
    assert contract.functions.stored().call(block_identifier=receipt["blockNumber"]) == 0
    assert w3.eth.get_block("latest", full_transactions=True)["transactions"][0]["from"] == sender
    assert w3.eth.fee_history(2, "latest", [50])["reward"]


def test_header_hashes_come_out_of_the_fields(node: DevNode, probe: Probe, owner: Wallet) -> None:
    send(node, note(owner, probe, 1, 3))
    for number in range(int(node.call("eth_blockNumber"), 16) + 1):
        block = node.call("eth_getBlockByNumber", hex(number), False)
        assert hash_header(block) == block["hash"]
        assert node.call("eth_getBlockByHash", block["hash"], False) == block
        assert node.call("coproc_getRawHeaders", hex(number), hex(number))
    first, second = (node.call("eth_getBlockByNumber", hex(n), False) for n in (0, 1))
    assert second["parentHash"] == first["hash"]


def test_raw_headers_hash_to_the_chain(node: DevNode, probe: Probe) -> None:
    head = int(node.call("eth_blockNumber"), 16)
    headers = node.call("coproc_getRawHeaders", "0x0", hex(head))
    hashes = [node.call("eth_getBlockByNumber", hex(n), False)["hash"] for n in range(head + 1)]
    assert ["0x" + keccak256(bytes.fromhex(header[2:])).hex() for header in headers] == hashes
    assert len(node.call("coproc_getRawHeaders", "0x0", hex(MAX_RAW_HEADERS - 1))) == head + 1
    for first, last in (("0x0", hex(MAX_RAW_HEADERS)), ("0x1", "0x0")):
        with pytest.raises(RpcFailure, match="1024 headers"):
            node.call("coproc_getRawHeaders", first, last)


def test_raw_blocks_and_receipts_stand_under_the_header(node: DevNode, probe: Probe, owner: Wallet) -> None:
    send(node, note(owner, probe, 1, 3))
    logs = 0
    for number in range(int(node.call("eth_blockNumber"), 16) + 1):
        (raw,) = node.call("coproc_getRawHeaders", hex(number), hex(number))
        roots = parse_roots(bytes.fromhex(raw[2:]))
        receipts = [bytes.fromhex(one[2:]) for one in node.call("debug_getRawReceipts", hex(number))]
        block = bytes.fromhex(node.call("debug_getRawBlock", hex(number))[2:])
        assert "0x" + rlp.encode(rlp.decode(block)[0]).hex() == raw
        sent = read_transactions(roots.transactions, block)
        described = node.call("eth_getBlockByNumber", hex(number), True)["transactions"]
        assert ["0x" + one.data.hex() for one in sent] == [one["input"] for one in described]
        emitted = read_receipts(roots.receipts, receipts)
        told = node.call("eth_getLogs", {"fromBlock": hex(number), "toBlock": hex(number)})
        assert ["0x" + one.data.hex() for one in emitted] == [log["data"] for log in told]
        assert all(may_emit(roots.bloom, [bloom_bits(one.address)]) for one in emitted)
        logs += len(emitted)
    assert logs
    for method in ("debug_getRawBlock", "debug_getRawReceipts"):
        with pytest.raises(RpcFailure):
            node.call(method, "0xffffff")


def test_transactions_and_receipts_fit_together(node: DevNode, probe: Probe, owner: Wallet) -> None:
    calls = [("eth_sendRawTransaction", [note(owner, probe, key, 2)]) for key in range(5)]
    digests = [reply["result"] for reply in node.batch(calls)]
    block = node.call("eth_getBlockByNumber", "latest", True)
    assert [t["hash"] for t in block["transactions"]] == digests  # one batch, one block
    receipts = node.call("eth_getBlockReceipts", block["number"])
    assert receipts == [node.call("eth_getTransactionReceipt", digest) for digest in digests]
    assert receipts == node.call("eth_getBlockReceipts", block["hash"])
    logs = [log for receipt in receipts for log in receipt["logs"]]
    assert [int(log["logIndex"], 16) for log in logs] == list(range(15))
    assert {log["blockHash"] for log in logs} == {block["hash"]}
    for position, (digest, receipt) in enumerate(zip(digests, receipts, strict=True)):
        transaction = node.call("eth_getTransactionByHash", digest)
        assert transaction == block["transactions"][position]
        assert transaction["gasPrice"] == receipt["effectiveGasPrice"]
        assert int(receipt["transactionIndex"], 16) == position
    assert block["gasUsed"] == receipts[-1]["cumulativeGasUsed"]
    assert sum(int(r["gasUsed"], 16) for r in receipts) == int(block["gasUsed"], 16)
    assert node.call("eth_getBlockTransactionCountByNumber", "latest") == "0x5"
    assert node.call("eth_getBlockTransactionCountByHash", block["hash"]) == "0x5"


def test_what_does_not_exist_is_null(node: DevNode) -> None:
    nothing = "0x" + "ab" * 32
    for method in ("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getBlockByHash"):
        assert node.call(method, nothing) is None
    assert node.call("eth_getBlockByNumber", "0xffffff", False) is None
    assert node.call("eth_getBlockReceipts", "0xffffff") is None
    with pytest.raises(RpcFailure, match="header not found"):
        node.call("eth_getBalance", TARGET, "0xffffff")


def test_log_filters(node: DevNode, probe: Probe, owner: Wallet) -> None:
    other = deploy(node, owner)
    first = send(node, note(owner, probe, 100, 3))
    second = send(node, note(owner, other, 200, 2))
    blocks = {"fromBlock": first["blockNumber"], "toBlock": second["blockNumber"]}
    everything = first["logs"] + second["logs"]
    sender = "0x" + "00" * 12 + owner.address[2:]

    def key(number: int) -> str:
        return f"0x{number:064x}"

    def wanted(**conditions: Any) -> list[Any]:
        return list(node.call("eth_getLogs", {**blocks, **conditions}))

    assert wanted() == everything
    assert wanted(address=probe.address) == first["logs"]
    assert wanted(address=[probe.address, other.address]) == everything
    assert wanted(address=[]) == everything
    assert wanted(address=TARGET) == []
    assert wanted(topics=[]) == everything
    assert wanted(topics=[PLAIN]) == [log for log in everything if log["topics"][0] == PLAIN]
    assert wanted(topics=[[PLAIN, NOTED]]) == everything
    assert wanted(topics=[None, sender]) == [log for log in everything if len(log["topics"]) == 4]
    assert wanted(topics=[None, None, [key(101), key(200)]]) == [first["logs"][1], second["logs"][0]]
    assert wanted(topics=[NOTED, None, None, key(100)]) == first["logs"][:3]
    assert wanted(topics=[None, None, None, None]) == [log for log in everything if len(log["topics"]) == 4]
    assert wanted(address=other.address, topics=[NOTED, None, key(101)]) == []
    by_hash = node.call("eth_getLogs", {"blockHash": second["blockHash"], "topics": [[PLAIN]]})
    assert by_hash == second["logs"][-1:]
    assert node.call("eth_getLogs", {"fromBlock": "latest"}) == second["logs"]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ([], "must be an object"),
        ({"fromBlock": "0x2", "toBlock": "0x1"}, "invalid block range"),
        ({"blockHash": "0x" + "00" * 32, "fromBlock": "0x1"}, "either blockHash or"),
        ({"blockHash": "0x" + "00" * 32}, "unknown block"),
        ({"address": "0x1234"}, "address must have 20 bytes"),
        ({"topics": ["0x12"]}, "topic 0 must have 32 bytes"),
        ({"topics": [None] * 5}, "at most 4"),
        ({"topics": "0x12"}, "at most 4"),
        ({"address": [TARGET] * 1001}, "more than 1000"),
    ],
)
def test_bad_log_filters(node: DevNode, wanted: Any, why: str) -> None:
    with pytest.raises(RpcFailure, match=why):
        node.call("eth_getLogs", wanted)


def test_proofs_hold_at_every_height(node: DevNode, probe: Probe, owner: Wallet) -> None:
    puts = [owner.sign(probe.address, call_data("put(uint256,uint256)", 5, value)) for value in (9, 10, 0)]
    heights = [send(node, raw)["blockNumber"] for raw in puts]
    slot = keccak256((0).to_bytes(32, "big") + (5).to_bytes(32, "big"))
    for height, value in zip(heights, (9, 10, 0), strict=True):
        root = bytes.fromhex(node.call("eth_getBlockByNumber", height, False)["stateRoot"][2:])
        proof = node.call("eth_getProof", probe.address, ["0x" + slot.hex(), "0x" + "ee" * 32], height)
        account = verify(root, bytes.fromhex(probe.address[2:]), proof["accountProof"])
        fields = [int(proof["nonce"], 16), int(proof["balance"], 16)]
        fields += [bytes.fromhex(proof[name][2:]) for name in ("storageHash", "codeHash")]
        assert account == rlp.encode(fields)
        present, absent = proof["storageProof"]
        storage = bytes.fromhex(proof["storageHash"][2:])
        assert int(present["value"], 16) == value
        assert verify(storage, slot, present["proof"]) == (rlp.encode(value) if value else b"")
        assert absent["value"] == "0x0"
        assert verify(storage, b"\xee" * 32, absent["proof"]) == b""
        assert node.call("eth_getStorageAt", probe.address, "0x" + slot.hex(), height) == f"0x{value:064x}"
    nobody = node.call("eth_getProof", "0x" + "cd" * 20, ["0x0"], "latest")
    root = bytes.fromhex(node.call("eth_getBlockByNumber", "latest", False)["stateRoot"][2:])
    assert verify(root, b"\xcd" * 20, nobody["accountProof"]) == b""
    assert nobody["storageProof"][0] == {"key": "0x" + "00" * 32, "value": "0x0", "proof": []}


def verify(root: bytes, key: bytes, nodes: list[str]) -> bytes:
    decoded = [rlp.decode(bytes.fromhex(node[2:])) for node in nodes]
    return bytes(HexaryTrie.get_from_proof(root, keccak256(key), decoded))


def test_reverts_carry_their_data(node: DevNode, probe: Probe, owner: Wallet) -> None:
    data = "0x" + call_data("fail(string)", "not today").hex()
    for method in ("eth_call", "eth_estimateGas"):
        with pytest.raises(RpcFailure, match="execution reverted: not today") as failure:
            node.call(method, {"from": owner.address, "to": probe.address, "data": data})
        assert failure.value.code == 3
        assert failure.value.data.startswith("0x08c379a0")
    burn = "0x" + call_data("burn(uint256)", 10**5).hex()
    with pytest.raises(RpcFailure, match="out of gas") as failure:
        node.call("eth_call", {"to": probe.address, "data": burn, "gas": "0x20000"})
    assert failure.value.code == -32000
    with pytest.raises(RpcFailure, match="insufficient funds"):
        node.call("eth_call", {"from": TARGET, "to": probe.address, "value": "0x1"})


def test_calls_change_nothing(node: DevNode, probe: Probe, owner: Wallet) -> None:
    before = node.call("eth_getProof", probe.address, [], "latest")
    node.call("eth_call", {"from": owner.address, "to": probe.address, "data": "0x" + call_data("clone()").hex()})
    assert node.call("eth_getProof", probe.address, [], "latest") == before


def test_earlier_block_hashes_are_seen_by_contracts(node: DevNode, probe: Probe) -> None:
    node.call("evm_mine")
    head = int(node.call("eth_blockNumber"), 16)
    for number in (head - 1, head - 2, 0):
        seen = probe.read("ancestor(uint256)", "bytes32", number)
        assert "0x" + seen.hex() == node.call("eth_getBlockByNumber", hex(number), False)["hash"]


def test_the_gas_cap_of_a_transaction(node: DevNode) -> None:
    sender = wallet(5)
    with pytest.raises(RpcFailure, match=r"cap: 16777216, tx: 16777217\) \(EIP-7825\)"):
        node.call("eth_sendRawTransaction", sender.sign(TARGET, gas=16_777_217))
    assert send(node, wallet(5).sign(TARGET, gas=16_777_216))["status"] == "0x1"


def test_seals_of_an_unlagged_chain(node: DevNode, probe: Probe) -> None:
    block = node.call("eth_getBlockByNumber", "latest", False)
    seals = node.call("coproc_getSeals", block["hash"])
    assert node.call("coproc_sealers") == [node.sealer]
    assert (seals["blockHash"], seals["blockNumber"]) == (block["hash"], block["number"])
    [signature] = seals["signatures"]
    digest = compute_seal_digest(CHAIN_ID, int(block["number"], 16), Digest(bytes.fromhex(block["hash"][2:])))
    expected = keccak256(
        b"\x19coprocessor/v1/header-seal"
        + CHAIN_ID.to_bytes(32, "big")
        + int(block["number"], 16).to_bytes(32, "big")
        + bytes.fromhex(block["hash"][2:])
    )
    assert digest == expected
    assert "0x" + recover_address(digest, bytes.fromhex(signature[2:])).hex() == node.sealer


def test_pending_is_counted_and_shown(node: DevNode) -> None:
    sender = wallet(6)
    node.call("evm_setAutomine", False)
    try:
        digest = node.call("eth_sendRawTransaction", sender.sign(TARGET, gas=21_000))
        assert node.call("eth_getTransactionCount", sender.address, "latest") == "0x0"
        assert node.call("eth_getTransactionCount", sender.address, "pending") == "0x1"
        assert node.call("eth_getTransactionByHash", digest)["blockNumber"] is None
        assert node.call("eth_getTransactionReceipt", digest) is None
    finally:
        node.call("evm_setAutomine", True)
    assert node.call("eth_getTransactionReceipt", digest)["status"] == "0x1"


def test_a_batch_sees_what_it_sent(node: DevNode) -> None:
    sender = wallet(7)
    replies = node.batch(
        [
            ("eth_sendRawTransaction", [sender.sign(TARGET, gas=21_000)]),
            ("eth_getTransactionCount", [sender.address, "latest"]),
            ("eth_sendRawTransaction", [sender.sign(TARGET, gas=20_000)]),
            ("eth_sendRawTransaction", ["0x02c0"]),
        ]
    )
    assert replies[1]["result"] == "0x1"
    assert "intrinsic gas too low" in replies[2]["error"]["message"]
    assert "fields" in replies[3]["error"]["message"]


# Malformed requests


def post_bytes(
    node: DevNode, body: bytes, content_type: str = "application/json", method: str = "POST"
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(node.url).netloc, timeout=60)
    try:
        connection.request(method, "/", body, {"Content-Type": content_type})
        response = connection.getresponse()
        data = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(data) if is_json else data
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b"null", -32600),
        (b'{"id":1}', -32600),
        (b'{"id":1,"method":7}', -32600),
        (b'{"id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"id":1,"method":"eth_noSuchThing"}', -32601),
        (b'{"id":1,"method":"__class__"}', -32601),
        (b'{"id":1,"method":"eth_chainId","params":{}}', -32602),
        (b'{"id":1,"method":"eth_chainId","params":[1]}', -32602),
        (b'{"id":1,"method":"eth_getBalance","params":[]}', -32602),
        (b"[" + b",".join([b"1"] * 4097) + b"]", -32600),
    ],
)
def test_malformed_bodies(node: DevNode, body: bytes, code: int) -> None:
    status, reply = post_bytes(node, body)
    assert status == 200
    assert reply["error"]["code"] == code
    assert node.call("eth_chainId") == hex(CHAIN_ID)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("eth_getBalance", [7, "latest"]),
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_getBalance", [TARGET, "newest"]),
        ("eth_getBalance", [TARGET, 7]),
        ("eth_getBalance", [TARGET, ["latest"]]),
        ("eth_getBalance", [TARGET, {"blockHash": 7}]),
        ("eth_getBalance", [TARGET, "0x" + "f" * 100]),
        ("eth_getBalance", [TARGET, "0x"]),
        ("eth_getStorageAt", [TARGET, "slot", "latest"]),
        ("eth_getProof", [TARGET, "0x0", "latest"]),
        ("eth_getProof", [TARGET, [None], "latest"]),
        ("eth_getProof", [TARGET, ["0x0"] * 1025, "latest"]),
        ("eth_getProof", [TARGET, ["0x1" + "0" * 64], "latest"]),
        ("eth_call", ["0x00", "latest"]),
        ("eth_call", [{"to": TARGET, "data": "0x0"}, "latest"]),
        ("eth_call", [{"to": TARGET, "data": "0x01", "input": "0x02"}, "latest"]),
        ("eth_call", [{"to": TARGET, "value": -1}, "latest"]),
        ("eth_call", [{"to": TARGET, "gas": "0x1" + "0" * 16}, "latest"]),
        ("eth_call", [{"to": TARGET, "accessList": [7]}, "latest"]),
        ("eth_call", [{"to": TARGET}, "latest", {TARGET: {"balance": "0x1"}}]),
        ("eth_getBlockByNumber", ["latest", "yes"]),
        ("eth_sendRawTransaction", [None]),
        ("eth_sendRawTransaction", ["0xzz"]),
        ("eth_sendTransaction", [[]]),
        ("eth_feeHistory", ["0x0", "latest"]),
        ("eth_feeHistory", ["0x2000", "latest"]),
        ("eth_feeHistory", ["0x1", "latest", [101]]),
        ("eth_feeHistory", ["0x1", "latest", [True]]),
        ("evm_mine", [{"blocks": 0}]),
        ("evm_mine", [{"blocks": 10**9}]),
        ("evm_increaseTime", [-5]),
        ("evm_setAutomine", ["on"]),
        ("evm_setIntervalMining", [10**6]),
        ("coproc_reorg", [1, "nowhere"]),
        ("coproc_getSeals", ["0x12"]),
    ],
)
def test_wrong_parameters(node: DevNode, method: str, parameters: list[Any]) -> None:
    with pytest.raises(RpcFailure) as failure:
        node.call(method, *parameters)
    assert failure.value.code == -32602, failure.value.message


def test_other_http_is_refused(node: DevNode) -> None:
    assert post_bytes(node, b"", method="GET")[0] == 405
    assert post_bytes(node, b"{}", content_type="text/plain")[0] == 415
    assert post_bytes(node, b'{"jsonrpc":"2.0","method":"eth_chainId"}')[0] == 204  # a notification has no reply


def test_an_oversized_body_is_refused(node: DevNode) -> None:
    assert post_bytes(node, b" " * (MAX_BODY_BYTES + 1))[0] == 413
    assert node.call("eth_chainId") == hex(CHAIN_ID)


def test_an_oversized_transaction_is_refused(node: DevNode, owner: Wallet) -> None:
    raw = wallet(8).sign(TARGET, b"\x01" * 131_072, gas=10_000_000)
    with pytest.raises(RpcFailure, match="longer than 131072 bytes"):
        node.call("eth_sendRawTransaction", raw)
