"""A second reader of running networks, written from ``docs/specification/`` alone: it imports nothing of this project.

What does not hold, or cannot be read, ends it with exit status 1. A test bounds its length: hence the tight lines.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import re
import struct
import sys
import urllib.request
from collections import namedtuple
from pathlib import Path
from typing import Any

import cbor2
import coincurve
import eth_abi
import rlp
import sha3
from py_ecc.bls.g2_primitives import subgroup_check
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import FQ12, G2, final_exponentiate, neg, pairing

ORDER = 2**256 - 0x14551231950B75FC4402DA1732FC9BEBF  # of secp256k1
EMPTY_TRIE, ZERO, HEX = sha3.keccak_256(b"\x80").digest(), bytes(32), re.compile("0x([0-9a-f]{2})*")
CONTRACTS = ("Directory", "Gatekeeping", "Registry", "Clusters", "Programs", "Fees", "Inbox", "Settlement", "Beacon",
             "Accounts")
LAYOUT = {  # headers.md, "Slots": the variables of each contract in the order of slots, with the fields of structs
    "Gatekeeping": "genesis threshold member_count master_key_hash members:operator,signer,sealing_key,evidence_digest",
    "Registry": "configuration workers:operator,platform,role,signer,sealing_key,evidence_digest,measurement,level,"
    "simulated,admitted_block,expires,revoked,root worker_of bound_worker - - distrusted paused_until has_distrusted "
    "measurements:version,since minimum_version minimum_evaluation pinned_until refresh pins delay",
    "Clusters": "clusters:owner,epoch,quorum,fast_quorum,dispute_window,open,runtime,member_count,first_open members "
    "epochs:start,quorum,fast_quorum,runtime,raised boundaries:epoch,count,inbox_head,root,checkpoint",
    "Programs": "codes programs:owner,cluster,code_hash,handle,policy handles input_keys - - announcements:code_hash,"
    "ready,expires,fuel_limit,number upgrade_counts upgrades:code_hash,link - account_signers",
    "Inbox": "heads counts ring stored_requests:program,packed",
    "Settlement": "settled:count,root,receipts receipts:to,root,outputs_root,final_block frozen_from is_delivered",
    "Beacon": "session opened in_ceremony phase_blocks transcript_heads transcript_counts committee former_committee "
    "keys:key_hash,share_keys_hash,threshold,recorded window values:value,committee,is_fallback newest",
}
LINK = "Link(bytes32,uint256,uint8,address,address,uint256,uint256,uint256,bytes)"
SETTLED = "Settled(bytes32,uint256,uint256,uint256,bytes32,bytes32,bytes32[],uint256)"
BEACON_KEY, POSTED, FELL_BACK = ("Completed(uint256,bytes,bytes[])", "Posted(uint256,uint256,bytes)",
                                 "FellBack(uint256,bytes32)")
BEACON_TAG, PAIRED = b"COPROCESSOR-V1-BEACON_BLS12381G1_XMD:SHA-256_SSWU_RO_", 2  # pairings take seconds each
SUBMIT, BATCH, REQUEST, EPOCH, MEMBER, INSTANTIATE, UPGRADE = 1, 2, 3, 16, 20, 21, 22
PAYLOADS = {  # inbox.md, "Kinds"
    EPOCH: "uint256,bytes32,uint256,uint256", MEMBER: "bytes32,address,bool,uint256",
    REQUEST: "bytes32,uint256,bytes32,bytes4,uint256,bytes", UPGRADE: "bytes32,uint256,bytes32,uint256",
    INSTANTIATE: "bytes32,uint256,address,bytes32,bytes32,uint256,bytes32[],bytes",
}
RECEIPT = (
    "Receipt(bytes32 network,bytes32 cluster,uint64 epoch,bytes32 runtime,uint64 from,uint64 to,bytes32 inboxHead,"
    "bytes32 previousRoot,bytes32 newRoot,bytes32 outputsRoot,uint64 blockNumber,bytes32 blockHash)"
)
SETTLE = [re.sub(r" \w+", "", RECEIPT.removeprefix("Receipt")), "bytes[]"]
Header = namedtuple("Header", "hash parent_hash state_root number timestamp prevrandao")
LINK_NAMES = "index kind origin payer item_count fuel_limit fee_limit block_number timestamp prevrandao payload"
NAMES = "network cluster epoch runtime first to inbox_head previous_root new_root outputs_root block_number block_hash"
Link, Receipt = namedtuple("Link", LINK_NAMES), namedtuple("Receipt", NAMES)
Leaf = namedtuple("Leaf", "link position program request status fuel plaintext_hash ciphertext_hash")


def require(holds: Any, what: str) -> None:
    if not holds:
        raise ValueError(what)

def keccak(*data: bytes) -> bytes:
    return bytes(sha3.keccak_256(b"".join(data)).digest())

def words(*values: int | bytes) -> bytes:
    return b"".join(v.to_bytes(32) if isinstance(v, int) else v.rjust(32, b"\0") for v in values)

def plain(value: Any) -> Any:
    """JSON with bytes for its hexadecimal texts."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return bytes.fromhex(value[2:]) if isinstance(value, str) and HEX.fullmatch(value) else value

def read_abi(types: list[str], data: bytes) -> list[Any]:
    values = eth_abi.decode(types, data)
    require(eth_abi.encode(types, values) == data, "not what an encoder of the ABI writes")
    return [bytes.fromhex(v[2:]) if t == "address" else v for t, v in zip(types, values, strict=True)]

def read_event(signature: str, topics: list[bytes], data: bytes) -> list[Any]:
    """Members in order. The one or two that are indexed are one word each and stand first."""
    types, indexed = signature[signature.index("(") + 1 : -1].split(","), len(topics) - 1
    known = 2 - (signature in (BEACON_KEY, FELL_BACK))
    require(indexed == known and topics[0] == keccak(signature.encode()), "another event")
    return read_abi(types[:indexed], b"".join(topics[1:])) + read_abi(types[indexed:], data)

def recover(digest: bytes, signature: bytes) -> bytes:
    low = 2 * int.from_bytes(signature[32:64]) < ORDER
    require(len(signature) == 65 and low and signature[64] in (27, 28), "a signature is r, low s, and v of 27 or 28")
    wanted = signature[:64] + bytes([signature[64] - 27])
    key = coincurve.PublicKey.from_signature_and_message(wanted, digest, hasher=None)
    return keccak(key.format(compressed=False)[1:])[12:]

def read_network(given: str) -> dict[str, Any]:
    """network.md: the file, held against its digest, with its configuration hash as ``hash``."""
    pairs: list[list[str]] = []
    raw = json.loads(given, object_pairs_hook=lambda read: pairs.append([name for name, _ in read]) or dict(read))
    file, configuration = plain(raw), plain(raw["configuration"]) | {"finality": raw["configuration"]["finality"]}
    source, policy = configuration["header_source"], configuration["attestation"]
    require(len(given) <= 262_144 and all(len(set(names)) == len(names) for names in pairs), "a field stands twice")
    require(set(raw) == {"format", "network", "configuration", "gatekeepers", "hints"}, "not a network.json")
    require((file["format"], source["kind"]) == ("coprocessor/v1/network", "sealed"), "another format or header source")
    require(set(configuration["contracts"]) == set(CONTRACTS) and policy["roots"], "other contracts or an empty policy")
    custodian = {"threshold": 1, "keys": [bytes(32)]} | configuration["custodian"]
    keys, kind = custodian["keys"], configuration["custodian"].get("kind")
    require(len(configuration["custodian"]) == {"none": 1, "file": 1, "keys": 3}.get(kind), "no such custodian")
    require(kind != "file" or configuration["development"], "a disk is custodian of a network that holds value")
    require(1 <= custodian["threshold"] <= len({*keys}) == len(keys) <= 32, "c of m custodians that do not suit")
    require({len(key) for key in keys} == {32}, "a custodian's key has another length")
    labelled = (b"configuration", configuration), (b"genesis", [configuration, file["gatekeepers"]])
    fields = [(b"coprocessor/v1/" + label, b"", cbor2.dumps(value, canonical=True)) for label, value in labelled]
    preimages = [b"".join(len(field).to_bytes(4) + field for field in each) for each in fields]
    digest, genesis = (hashlib.sha256(preimage).digest() for preimage in preimages)
    require(genesis == file["network"], "network.json has another genesis digest than its own")
    return file | configuration | source | {"hash": digest}

def read_header(raw: bytes) -> Header:
    fields = rlp.decode(raw, strict=True)
    require(len(raw) <= 2_048 and 16 <= len(fields) <= 32, "not a header")
    require(all(isinstance(field, bytes) for field in fields), "a header's field is a list")
    hashes, numbers = [fields[place] for place in (0, 3, 13)], [fields[place] for place in (8, 11)]
    require(all(len(field) == 32 for field in hashes), "not a header's hash")
    require(all(len(field) <= 8 and field[:1] != b"\0" for field in numbers), "not a header's number")
    return Header(keccak(raw), *hashes[:2], *map(int.from_bytes, numbers), hashes[2])

def check_seals(chain_id: int, sealers: list[bytes], header: Header, seals: list[bytes]) -> set[bytes]:
    digest = keccak(b"\x19coprocessor/v1/header-seal", words(chain_id, header.number), header.hash)
    signed = {recover(digest, seal) for seal in seals}
    require(len(seals) <= 128 and signed <= set(sealers), f"block {header.number} has a stranger's seal")
    require(3 * len(signed) > 2 * len(sealers), f"block {header.number} is not sealed by more than two thirds")
    return signed

def check_segment(raws: list[bytes], before: Header | None = None) -> list[Header]:
    require(1 <= len(raws) <= 1_024, "a segment has 1 to 1,024 headers")
    headers = [read_header(raw) for raw in raws]
    pairs = itertools.pairwise([before, *headers] if before else headers)
    linked = all((new.number, new.parent_hash) == (old.number + 1, old.hash) for old, new in pairs)
    require(linked, f"the headers up to {headers[-1].number} do not follow each other")
    return headers

def read_trie(child: Any, key: bytes, proof: list[bytes]) -> Any:
    require(len(proof) <= 64 and all(len(node) <= 1_024 for node in proof), "a proof is too long")
    nodes, path, value, child = list(proof), keccak(key).hex(), None, b"" if child == EMPTY_TRIE else child
    while child != b"":
        if isinstance(child, bytes):
            require(nodes and keccak(nodes[0]) == child, "a node of a proof is not the one that its parent names")
            child = rlp.decode(nodes.pop(0), strict=True)
        if len(child) == 17:
            child, path = child[int(path[0], 16)], path[1:]
            continue
        (encoded, child), kind = child, child[0][0] >> 4
        require(kind < 4 and (kind & 1 or encoded[0] == kind << 4), "not a path")
        prefix = encoded.hex()[2 - (kind & 1) :]
        if kind >= 2 or not path.startswith(prefix):
            value, child = child if kind >= 2 and prefix == path else None, b""
        path = path[len(prefix) :]
    require(not nodes, "a proof has a node too many")
    return value

def read_account(state_root: bytes, address: bytes, proof: list[bytes]) -> tuple[bytes, bytes]:
    require(value := read_trie(state_root, address, proof), f"there is no account 0x{address.hex()}")
    _, _, root, code_hash = rlp.decode(value, strict=True)
    require(len(root) == len(code_hash) == 32, "not an account")
    return root, code_hash

def read_storage(root: bytes, slot: int, proof: list[bytes]) -> int:
    value = read_trie(root, words(slot), proof)
    number = b"" if value is None else rlp.decode(value, strict=True)
    require(value is None or (0 < len(number) <= 32 and number.lstrip(b"\0") == number), "not a slot's value")
    return int.from_bytes(number)

def find_slot(contract: str, name: str, field: str, *keys: int | bytes) -> int:
    variables = [known.partition(":") for known in LAYOUT[contract].split()]
    ((place, fields),) = [(words(n), v[2].split(",")) for n, v in enumerate(variables) if v[0] == name]
    for key in keys:
        place = keccak(place, words(key))
    return (int.from_bytes(place) + (int(field) if field.isdigit() else fields.index(field))) % 2**256

def genesis_head(chain_id: int, inbox: bytes, cluster: bytes) -> bytes:
    return keccak(words(keccak(b"coprocessor/v1/inbox-genesis"), chain_id, inbox, cluster))

def replay(head: bytes, links: list[Link], first: int = 0) -> list[bytes]:
    require([link.index for link in links] == list(range(first, first + len(links))), "a link is missing")
    tag = keccak(b"coprocessor/v1/inbox-link")
    return [head := keccak(words(tag, head, *link[:-1], keccak(link.payload))) for link in links]

def read_items(payload: bytes, *claimed: int) -> list[tuple[int, int, int, bytes]]:
    """Handle, fuel limit, fee limit, sealed bytes of each item; claimed are their number and both sums."""
    items, at = [], 0
    while at < len(payload):
        handle, fuel, high, low, count = struct.unpack_from(">IQQIH", payload, at)
        require(count >= 1 and (at := at + 26), "a group of nothing")
        for _ in range(count):
            at += 2 + (size := int.from_bytes(payload[at : at + 2]))
            items.append((handle, fuel, high << 32 | low, payload[at - size : at]))
    sums = (len(items), sum(item[1] for item in items), sum(item[2] for item in items))
    require(len(items) <= 1_024 and (*claimed, len(payload)) == (*sums, at), "not the claimed items")
    return items

def receipt_digest(chain_id: int, settlement: bytes, receipt: Receipt) -> bytes:
    domain = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    separator = keccak(words(keccak(domain), keccak(b"Coprocessor"), keccak(b"1"), chain_id, settlement))
    return keccak(b"\x19\x01", separator, keccak(words(keccak(RECEIPT.encode()), *receipt)))

def read_call(data: bytes) -> tuple[Receipt, list[bytes]]:
    require(data[:4] == keccak(f"settle({','.join(SETTLE)})".encode())[:4], "not a call of settle")
    receipt, signatures = read_abi(SETTLE, data[4:])
    return Receipt(*receipt), signatures

def check_signers(signers: list[tuple[Any, ...]], quorum: int) -> None:
    """receipts.md; of each: signer, operator, platform, if known."""
    unique = all(len(set(column)) == len(signers) for column in zip(*signers, strict=True))
    enough = max(1, quorum) <= len(signers) <= 16 and unique and signers == sorted(signers)
    require(enough, f"not signed by {quorum} distinct operators on distinct platforms, ascending by signer")

def leaf_digest(leaf: Leaf) -> bytes:
    return keccak(words(keccak(b"coprocessor/v1/output-leaf"), *leaf))

def outputs_root(count: int, top: bytes) -> bytes:
    return keccak(words(keccak(b"coprocessor/v1/outputs"), count, top))

def check_place(root: bytes, digest: bytes, index: int, count: int, siblings: list[bytes]) -> None:
    require(0 <= index < count and len(siblings) <= 32, "not a place among the outputs")
    rest, width = list(siblings), count
    while width > 1:
        if index ^ 1 < width:
            digest = keccak(b"\x01", *((rest.pop(0), digest) if index & 1 else (digest, rest.pop(0))))
        index, width = index // 2, (width + 1) // 2
    require(not rest and outputs_root(count, digest) == root, "an output is not under the settled outputs root")

def check_output(leaf: Leaf, output: bytes) -> bool:
    public = leaf.ciphertext_hash == ZERO
    given, committed = (ZERO + output, leaf.plaintext_hash) if public else (output, leaf.ciphertext_hash)
    require(keccak(given) == committed, "an output is not what its leaf commits to")
    return public

def beacon_message(network: bytes, height: int, insecure: bool) -> bytes:
    label = b"coprocessor/v1/beacon" + (b"-insecure" if insecure else b"")
    return b"".join(len(field).to_bytes(4) + field for field in (label, network, height.to_bytes(8)))

def beacon_value(message: bytes, key: bytes, signature: bytes) -> bytes:
    """beacon.md, "Values": e(H(message), key) · e(signature, -generator) = 1, both points of their groups."""
    require((len(key), len(signature)) == (96, 48), "a key has 96 bytes, a signature 48")
    public = decompress_G2((int.from_bytes(key[:48]), int.from_bytes(key[48:])))
    point = decompress_G1(int.from_bytes(signature))
    require(subgroup_check(public) and subgroup_check(point), "a point outside of its group")
    hashed = hash_to_G1(message, BEACON_TAG, hashlib.sha256)
    product = pairing(public, hashed, final_exponentiate=False) * pairing(neg(G2), point, final_exponentiate=False)
    require(final_exponentiate(product) == FQ12.one(), "not the beacon key's signature")
    return keccak(signature)

def fallback_value(network: bytes, height: int, prevrandao: bytes) -> bytes:
    return keccak(words(keccak(b"BeaconFallback"), network, height, prevrandao))


def fetch(request: str | urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read(1 << 26))

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--rpc", "--network", "--worker"):
        parser.add_argument(name, required=name != "--worker")
    given = parser.parse_args()
    try:
        network = Network(read_network(Path(given.network).read_text()), given.rpc, given.worker)
        for subject in ("headers", "contracts", "inbox", "cluster", "receipts", "outputs", "beacon"):
            print(f"{subject:<10} {getattr(network, 'read_' + subject)()}")  # noqa: T201
        print(f"proofs     {network.proofs} of accounts and slots")  # noqa: T201
    except Exception as error:  # what cannot be read does not hold
        sys.exit(f"REFUSED    {error!r}")


class Network:
    """What a node and a worker say of a network, held against the pinned one under its sealed headers."""

    def __init__(self, pinned: dict[str, Any], rpc: str, worker: str | None) -> None:
        self.pinned, self.url, self.worker, self.proofs, self.chain_id = pinned, rpc, worker, 0, pinned["chain_id"]
        self.cluster, self.contracts = pinned["hints"]["cluster"], pinned["contracts"]
        seed = words(keccak(b"coprocessor/v1/cluster"), self.chain_id, self.contracts["Clusters"]["address"])
        require(self.cluster in [keccak(seed, words(n)) for n in range(1_024)], "a cluster of another network")

    def rpc(self, method: str, *parameters: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        answer = fetch(urllib.request.Request(self.url, body, {"Content-Type": "application/json"}))
        require(answer.get("result") is not None, f"{method}: {answer.get('error')}")
        return answer["result"]

    def prove(self, header: Header, contract: str, variables: str = "", *keys: int | bytes) -> list[int]:
        """What stands under a header in variables, or in fields of a struct, joined by commas."""
        named = [variable.partition(".") for variable in variables.split()]
        slots = [find_slot(contract, name, field, *keys) for name, _, fields in named for field in fields.split(",")]
        address, asked = self.contracts[contract]["address"], [f"0x{slot:064x}" for slot in slots]
        proof = plain(self.rpc("eth_getProof", "0x" + address.hex(), asked, hex(header.number)))
        root, code_hash = read_account(header.state_root, address, proof["accountProof"])
        require(code_hash == self.contracts[contract]["code_hash"], f"{contract} has other code than the pinned one")
        self.proofs += 1 + len(slots)
        pairs = zip(slots, proof["storageProof"], strict=True)
        return [read_storage(root, slot, item["proof"]) for slot, item in pairs]

    def hold(self, contract: str, variables: str, keys: tuple[Any, ...], *said: int | bytes) -> None:
        held = self.prove(self.headers[-1], contract, variables, *keys)
        require(words(*held) == words(*said), f"{contract} holds other {variables:.80}: {held[:8]}")

    def logs(self, contract: str, event: str, *about: bytes) -> list[tuple[list[Any], dict[str, Any]]]:
        wanted = {"topics": ["0x" + topic.hex() for topic in (keccak(event.encode()), *about)], "fromBlock": "0x0"}
        wanted |= {"address": "0x" + self.contracts[contract]["address"].hex(), "toBlock": hex(self.headers[-1].number)}
        logs = sorted(self.rpc("eth_getLogs", wanted), key=lambda log: int(log["topics"][-1], 16))
        return [(read_event(event, plain(log["topics"]), plain(log["data"])), log) for log in logs]

    def read_headers(self) -> str:
        count, self.headers = 1 + int(self.rpc("eth_getBlockByNumber", "finalized", False)["number"], 16), []
        while (start := len(self.headers)) < count:
            raws = self.rpc("coproc_getRawHeaders", hex(start), hex(min(start + 1_024, count) - 1))
            self.headers += check_segment(plain(raws), *self.headers[-1:])
            seals = plain(self.rpc("coproc_getSeals", "0x" + self.headers[-1].hash.hex())["signatures"])
            signed = check_seals(self.chain_id, self.pinned["sealers"], self.headers[-1], seals)
        require([header.number for header in self.headers] == list(range(count)), "headers of other numbers")
        return f"{count}, the last one sealed by {len(signed)} of {len(self.pinned['sealers'])}"

    def read_contracts(self) -> str:
        for name in CONTRACTS:
            self.prove(self.headers[-1], name)
        count = len(self.pinned["gatekeepers"])
        self.hold("Gatekeeping", "genesis member_count", (), self.pinned["network"], count)
        self.hold("Registry", "configuration", (), self.pinned["hash"])
        for index, evidence in enumerate(self.pinned["gatekeepers"]):
            self.hold("Gatekeeping", "members.evidence_digest", (index,), evidence)
        return f"{len(CONTRACTS)} with the pinned code, genesis digest, configuration and {count} gatekeepers"

    def read_inbox(self) -> str:
        self.links: list[Link] = []
        for (_, *members, payload), log in self.logs("Inbox", LINK, self.cluster):
            self.links.append(Link(*members, *self.headers[int(log["blockNumber"], 16)][3:], payload))
        self.heads = replay(genesis_head(self.chain_id, self.contracts["Inbox"]["address"], self.cluster), self.links)
        count, ring = len(self.links), ",".join(str(link.index % 256) for link in self.links[-256:])
        self.hold("Inbox", f"counts heads ring.{ring}", (self.cluster,), count, self.heads[-1], *self.heads[-256:])
        return f"{count} links replayed, {len(self.heads[-256:])} heads of the ring"

    def read_cluster(self) -> str:
        """Epochs, members and programs: what system links say is what the contracts hold."""
        cluster, self.epochs, self.programs, members, upgrades = self.cluster, {}, {}, {}, {}
        for link in self.links:
            told = read_abi(PAYLOADS[link.kind].split(","), link.payload) if link.kind in PAYLOADS else []
            if link.kind == EPOCH:
                names, keys = "epochs.start,runtime,quorum,fast_quorum", (cluster, told[0])
                self.hold("Clusters", names, keys, link.index, *told[1:])
                self.epochs[told[0]] = (link.index, *told[1:3])
            elif link.kind == MEMBER:
                members[told[0]] = (told[1], told[3] if told[2] else 0)
            elif link.kind == INSTANTIATE:
                self.hold("Programs", "programs.handle,owner,code_hash,policy,cluster", told[:1], *told[1:5], cluster)
                self.programs[told[1]] = self.programs[told[0]] = (link.index, told[0])
            elif link.kind == UPGRADE:
                self.hold("Programs", "upgrades.code_hash,link", told[:2], told[2], link.index)
                upgrades[told[0]] = told[1]
        for program, count in upgrades.items():
            self.hold("Programs", "upgrade_counts", (program,), count)
        for worker, (operator, joined) in members.items():
            self.hold("Clusters", "members", (cluster, worker), joined)
            self.hold("Registry", "workers.operator,role", (worker,), operator, 1)
        now = (max(self.epochs), sum(joined > 0 for _, joined in members.values()))
        self.hold("Clusters", "clusters.epoch,member_count", (cluster,), *now)
        return f"epoch {now[0]}, {now[1]} members, {len(self.programs) // 2} programs"

    def read_receipts(self) -> str:
        self.receipts, before, here = [], (0, ZERO), (self.pinned["network"], self.cluster)
        for (_, number, *event), log in self.logs("Settlement", SETTLED, self.cluster):
            receipt, signed = read_call(plain(self.rpc("eth_getTransactionByHash", log["transactionHash"])["input"]))
            start, runtime, quorum = self.epochs[receipt.epoch]
            end = self.epochs.get(receipt.epoch + 1, [len(self.links)])[0]
            require((*receipt[:2], receipt.runtime) == (*here, runtime), f"receipt {number} is not of this network")
            follows = (number, receipt.first, receipt.previous_root) == (len(self.receipts), *before)
            require(follows and start <= receipt.first < receipt.to <= end, f"receipt {number} does not follow")
            proven = (self.heads[receipt.to - 1], self.headers[receipt.block_number].hash)
            require((receipt.inbox_head, receipt.block_hash) == proven, f"receipt {number} has another inbox or chain")
            signers = [self.read_signer(receipt, self.headers[int(log["blockNumber"], 16)], each) for each in signed]
            check_signers(signers, quorum)
            before, roots = (receipt.to, receipt.new_root), (receipt.new_root, receipt.outputs_root)
            said = [receipt.first, receipt.to, *roots, tuple(words(signer[3]) for signer in signers), event[5]]
            names = "receipts.to,root,outputs_root,final_block"
            self.hold("Settlement", names, (self.cluster, number), receipt.to, *roots, event[5])
            require(event == said, f"the event of receipt {number} says something else")
            self.receipts.append(receipt)
        said = (*before, len(self.receipts), 0)
        self.hold("Settlement", "settled.count,root,receipts frozen_from", (self.cluster,), *said)
        return f"{len(self.receipts)} over {before[0]} links, signed by admitted members"

    def read_signer(self, receipt: Receipt, block: Header, signature: bytes) -> tuple[Any, ...]:
        signer = recover(receipt_digest(self.chain_id, self.contracts["Settlement"]["address"], receipt), signature)
        (worker,) = self.prove(block, "Registry", "bound_worker", signer)
        fields = "role,revoked,expires,root,measurement,operator,platform"
        role, revoked, expires, *subjects = self.prove(block, "Registry", f"workers.{fields}", worker)
        (joined,) = self.prove(block, "Clusters", "members", self.cluster, worker)
        until = max(self.prove(block, "Registry", "distrusted", subjects[at])[0] for at in (0, 1, 3))
        admitted = (role, revoked) == (1, 0) and expires > block.timestamp >= until
        require(admitted and joined > 0, f"0x{signer.hex()} is no admitted member")
        return signer, *subjects[2:], worker

    def places(self, link: Link) -> list[tuple[int, int, bytes]]:
        calls = link.kind in (REQUEST, INSTANTIATE, UPGRADE)  # an upgrade names its program by id
        handles = [read_abi(PAYLOADS[link.kind].split(","), link.payload)[link.kind != UPGRADE]] if calls else []
        if link.kind in (SUBMIT, BATCH):
            try:
                handles = [item[0] for item in read_items(link.payload, *link[4:7])]
            except (ValueError, struct.error):
                handles = [None]
        found = [self.programs.get(handle, (0, ZERO)) for handle in handles]
        return [(link.index, n, program if at <= link.index else ZERO) for n, (at, program) in enumerate(found)]

    def read_outputs(self) -> str:
        shown = public = 0
        for receipt in self.receipts:
            places = [place for link in self.links[receipt.first : receipt.to] for place in self.places(link)]
            for index, (link, position, _) in enumerate(places if self.worker else []):
                query = f"/v1/output?cluster=0x{self.cluster.hex()}&link={link}&position={position}"
                answer = plain(fetch(self.worker + query))
                leaf, place = Leaf(**answer["leaf"]), answer["place"]
                require(leaf[:3] == places[index], f"output {link}.{position} has another place or program")
                require((place["index"], place["count"]) == (index, len(places)), "an output stands elsewhere")
                check_place(receipt.outputs_root, leaf_digest(leaf), **place)
                public += check_output(leaf, answer["output"])
                shown += 1
            require(places or receipt.outputs_root == outputs_root(0, ZERO), "an outputs root of something else")
        return f"{shown} under the settled roots, {public} of them public"

    def read_beacon(self) -> str:
        """beacon.md: every value is held by the contract and follows from its event; the newest are paired."""
        network, insecure = self.pinned["network"], self.pinned["allow_simulated"]
        keys = {committee: key for (committee, key, _), _ in self.logs("Beacon", BEACON_KEY)}
        posted = sorted(members for members, _ in self.logs("Beacon", POSTED))
        (window,), missed = self.prove(self.headers[-1], "Beacon", "window"), self.logs("Beacon", FELL_BACK)
        recorded = {one: self.prove(self.headers[-1], "Beacon", "keys.recorded", one)[0] for one in keys}
        for committee, key in keys.items():
            self.hold("Beacon", "keys.key_hash", (committee,), keccak(key))
        for height, committee, signature in posted:
            self.hold("Beacon", "values.value,committee,is_fallback", (height,), keccak(signature), committee, 0)
            serves = max((one for one, block in recorded.items() if block < height), default=0)
            require(height % window == 0 and serves == committee, f"another key serves height {height}")
        for height, committee, signature in posted[-PAIRED:]:
            beacon_value(beacon_message(network, height, insecure), keys[committee], signature)
        for (height, prevrandao), _ in missed:
            require(self.headers[height + 2 * window].prevrandao == prevrandao, f"height {height} fell back elsewhere")
            value = fallback_value(network, height, prevrandao)
            self.hold("Beacon", "values.value,committee,is_fallback", (height,), value, 0, 1)
        known = {0} | {members[0] for members, _ in missed} | {members[0] for members in posted}
        self.hold("Beacon", "newest", (), max(known))
        for height in {*range(0, max(known), window)} - known:
            self.hold("Beacon", "values.value", (height,), 0)
        paired = len(posted[-PAIRED:])
        return f"{len(posted)} values by {len(keys)} keys, the newest {paired} paired; {len(missed)} missed"


if __name__ == "__main__":
    main()
