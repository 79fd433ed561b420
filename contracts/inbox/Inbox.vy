# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Inbox: the ordered history of every cluster's inputs
@license Apache-2.0
@notice One hash chain of links per cluster (PROTOCOL 3.1). A link's kind is a constant of the entry point that made it;
    system kinds come only from named contracts. Payloads ride in the event `Link`; who replays them to the stored head
    knows the whole history. Nobody can remove, reorder or alter a link.
@dev head' = keccak256(abi.encode(TAG, head, index, kind, origin, payer, item_count, fuel_limit, fee_limit, block.number,
    block.timestamp, block.prevrandao, keccak256(payload))), from keccak256(abi.encode(GENESIS_TAG, chain.id, this,
    cluster)). System links: origin is the contract that appended, payer is zero, item count and limits are 0.
    `submit` and `submit_batch` are two functions since Vyper reserves memory for the largest argument: in one function, a
    single item would pay some 36,000 gas for room that it does not use.
    Enclaves prove `heads` and `counts` by storage proofs: one slot per field.
    Reverts: "inbox: cluster", "inbox: items", "inbox: fuel limit", "inbox: fee limit", "inbox: program",
    "inbox: callback gas", "inbox: system kind", "inbox: ring", and "fees: balance".
"""

from . import IInbox
from ..fees import IFees
from ..programs import IPrograms

implements: IInbox

TAG: constant(bytes32) = keccak256("coprocessor/v1/inbox-link")
GENESIS_TAG: constant(bytes32) = keccak256("coprocessor/v1/inbox-genesis")
REQUEST_TAG: constant(bytes32) = keccak256("coprocessor/v1/request")

KIND_SUBMIT: constant(uint8) = 1
KIND_BATCH: constant(uint8) = 2
KIND_REQUEST: constant(uint8) = 3
KIND_EPOCH: constant(uint8) = 16
KIND_SKIP: constant(uint8) = 18
KIND_ACTION_RESULT: constant(uint8) = 19
KIND_MEMBER: constant(uint8) = 20
KIND_INSTANTIATE: constant(uint8) = 21
KIND_UPGRADE: constant(uint8) = 22

MAX_ITEM: constant(uint256) = 4096  # bytes of a single item, and of a request's arguments
MAX_BATCH: constant(uint256) = 114688  # bytes of a batch
MAX_SYSTEM: constant(uint256) = 8192  # bytes of a system link's payload
MAX_REQUEST: constant(uint256) = 4352  # bytes of a request's payload: six words, a length and the arguments
MAX_ITEMS: constant(uint256) = 1024
MAX_FUEL: constant(uint256) = 2**64
MAX_FEE: constant(uint256) = 2**96
MAX_CALLBACK_GAS: constant(uint256) = 2**23  # half of what EIP-7825 leaves to a transaction
RING: constant(uint256) = 256
CONSUMER_BITS: constant(uint256) = 160
GAS_BITS: constant(uint256) = 32

# A request in two slots; the cluster is the program's.
struct StoredRequest:
    program: bytes32
    packed: uint256  # link << 192 | callback gas << 160 | consumer

event Link:
    cluster: indexed(bytes32)
    index: indexed(uint256)
    kind: uint8
    origin: address
    payer: address
    item_count: uint256
    fuel_limit: uint256
    fee_limit: uint256
    payload: Bytes[MAX_BATCH]

event Requested:
    request: indexed(bytes32)
    consumer: indexed(address)
    program: indexed(bytes32)
    cluster: bytes32
    link: uint256

FEES: public(immutable(address))
CLUSTERS: public(immutable(address))
PROGRAMS: public(immutable(address))
SETTLEMENT: public(immutable(address))

# @notice By cluster: the head after all its links; zero where there is no such cluster.
heads: public(HashMap[bytes32, bytes32])
# @notice By cluster: how many links there are; 0 where there is no such cluster, for every cluster starts with a link.
counts: public(HashMap[bytes32, uint256])
ring: HashMap[bytes32, bytes32[RING]]
stored_requests: HashMap[bytes32, StoredRequest]


@deploy
def __init__(fees: address, clusters: address, programs: address, settlement: address):
    """
    @param fees Where fee limits are reserved.
    @param clusters Appends epochs and member changes.
    @param programs Appends instantiations and upgrades.
    @param settlement Appends skips and action results.
    """
    FEES = fees
    CLUSTERS = clusters
    PROGRAMS = programs
    SETTLEMENT = settlement


@external
@payable
def submit(cluster: bytes32, fuel_limit: uint256, fee_limit: uint256, item: Bytes[MAX_ITEM]) -> uint256:
    """
    @notice Appends one item whose author and payer is the sender. This is the path of forced inclusion (PROTOCOL 3.3).
    @param cluster Where the item's program lives.
    @param fuel_limit Of the item, below 2**64.
    @param fee_limit In wei, below 2**96; reserved from the sender's balance in Fees, to which the value sent is added.
    @param item The framed, sealed item, at most 4,096 bytes.
    @return Index of the link.
    """
    index: uint256 = self._append(
        cluster, KIND_SUBMIT, msg.sender, msg.sender, 1, fuel_limit, fee_limit, keccak256(item)
    )
    log Link(
        cluster=cluster,
        index=index,
        kind=KIND_SUBMIT,
        origin=msg.sender,
        payer=msg.sender,
        item_count=1,
        fuel_limit=fuel_limit,
        fee_limit=fee_limit,
        payload=item,
    )
    self._reserve(cluster, index, fee_limit)
    return index


@external
@payable
def submit_batch(
    cluster: bytes32, item_count: uint256, fuel_limit: uint256, fee_limit: uint256, payload: Bytes[MAX_BATCH]
) -> uint256:
    """
    @notice Appends items of several authors as one link. The sender pays and is trusted for timeliness alone (PROTOCOL
        3.4). A payload that does not hold exactly so many items is one void link.
    @param cluster Where the items' programs live.
    @param item_count 1 to 1,024.
    @param fuel_limit Sum over the items, below 2**64.
    @param fee_limit Sum over the items in wei, below 2**96; reserved from the sender.
    @param payload The framed items, at most 114,688 bytes.
    @return Index of the link.
    """
    assert item_count >= 1 and item_count <= MAX_ITEMS, "inbox: items"
    index: uint256 = self._append(
        cluster, KIND_BATCH, msg.sender, msg.sender, item_count, fuel_limit, fee_limit, keccak256(payload)
    )
    log Link(
        cluster=cluster,
        index=index,
        kind=KIND_BATCH,
        origin=msg.sender,
        payer=msg.sender,
        item_count=item_count,
        fuel_limit=fuel_limit,
        fee_limit=fee_limit,
        payload=payload,
    )
    self._reserve(cluster, index, fee_limit)
    return index


@external
@payable
def request(
    program: bytes32,
    method: bytes4,
    fuel_limit: uint256,
    fee_limit: uint256,
    callback_gas: uint256,
    args: Bytes[MAX_ITEM],
) -> bytes32:
    """
    @notice Asks a program on behalf of the calling contract, in clear. The answer comes by `on_phat_result` from Settlement,
        or is pulled by `Settlement.verify_output`.
    @param program The program.
    @param method First four bytes of keccak256 of the method's name.
    @param fuel_limit Of the method, below 2**64.
    @param fee_limit In wei, below 2**96; reserved from the caller.
    @param callback_gas What the callback may use, at most 2**23.
    @param args The arguments, ABI-encoded, at most 4,096 bytes.
    @return The request's id.
    """
    location: IPrograms.Location = staticcall IPrograms(PROGRAMS).location(program)
    cluster: bytes32 = location.cluster
    assert cluster != empty(bytes32), "inbox: program"
    assert callback_gas <= MAX_CALLBACK_GAS, "inbox: callback gas"
    # The id needs the index that the link is about to get; `_append` gives out exactly this one.
    index: uint256 = self.counts[cluster]
    request: bytes32 = keccak256(abi_encode(REQUEST_TAG, chain.id, self, cluster, index))
    payload: Bytes[MAX_REQUEST] = abi_encode(program, location.handle, request, method, callback_gas, args)
    self._append(cluster, KIND_REQUEST, msg.sender, msg.sender, 1, fuel_limit, fee_limit, keccak256(payload))
    self.stored_requests[request] = StoredRequest(
        program=program,
        packed=(index << (CONSUMER_BITS + GAS_BITS))
        | (callback_gas << CONSUMER_BITS)
        | convert(msg.sender, uint256),
    )
    log Link(
        cluster=cluster,
        index=index,
        kind=KIND_REQUEST,
        origin=msg.sender,
        payer=msg.sender,
        item_count=1,
        fuel_limit=fuel_limit,
        fee_limit=fee_limit,
        payload=payload,
    )
    log Requested(request=request, consumer=msg.sender, program=program, cluster=cluster, link=index)
    self._reserve(cluster, index, fee_limit)
    return request


@external
def append_system(cluster: bytes32, kind: uint8, payload: Bytes[MAX_SYSTEM]) -> uint256:
    """
    @notice Appends a system link. A cluster's first link is its first epoch.
    @param cluster The cluster.
    @param kind Epoch or member change from Clusters; instantiation or upgrade from Programs; skip or
        action result from Settlement.
    @param payload What changed, ABI-encoded.
    @return Index of the link.
    """
    if kind == KIND_EPOCH or kind == KIND_MEMBER:
        assert msg.sender == CLUSTERS, "inbox: system kind"
    elif kind == KIND_INSTANTIATE or kind == KIND_UPGRADE:
        assert msg.sender == PROGRAMS, "inbox: system kind"
    else:
        assert kind == KIND_SKIP or kind == KIND_ACTION_RESULT, "inbox: system kind"
        assert msg.sender == SETTLEMENT, "inbox: system kind"
    if kind == KIND_EPOCH and self.counts[cluster] == 0:
        self.heads[cluster] = self._genesis_head(cluster)
    index: uint256 = self._append(cluster, kind, msg.sender, empty(address), 0, 0, 0, keccak256(payload))
    log Link(
        cluster=cluster,
        index=index,
        kind=kind,
        origin=msg.sender,
        payer=empty(address),
        item_count=0,
        fuel_limit=0,
        fee_limit=0,
        payload=payload,
    )
    return index


@external
@view
def head_at(cluster: bytes32, count: uint256) -> bytes32:
    """
    @notice The head after the first `count` links.
    @param cluster The cluster.
    @param count At least 1, and among the last 256 values that `counts` took.
    @return The head, 32 bytes.
    """
    total: uint256 = self.counts[cluster]
    assert count >= 1 and count <= total and total - count < RING, "inbox: ring"
    return self.ring[cluster][(count - 1) % RING]


@external
@view
def genesis_head(cluster: bytes32) -> bytes32:
    """
    @notice The head of a cluster before its first link.
    @param cluster The cluster.
    @return The head, 32 bytes.
    """
    return self._genesis_head(cluster)


@external
@view
def requests(request: bytes32) -> IInbox.Request:
    """
    @notice A request by its id.
    @param request The id.
    @return Who asked what where; all zero where there is no such request.
    """
    stored: StoredRequest = self.stored_requests[request]
    if stored.program == empty(bytes32):
        return empty(IInbox.Request)
    return IInbox.Request(
        consumer=convert(stored.packed & (2**CONSUMER_BITS - 1), address),
        program=stored.program,
        cluster=(staticcall IPrograms(PROGRAMS).location(stored.program)).cluster,
        callback_gas=(stored.packed >> CONSUMER_BITS) & (2**GAS_BITS - 1),
        link=stored.packed >> (CONSUMER_BITS + GAS_BITS),
    )


@internal
def _append(
    cluster: bytes32,
    kind: uint8,
    origin: address,
    payer: address,
    item_count: uint256,
    fuel_limit: uint256,
    fee_limit: uint256,
    payload_hash: bytes32,
) -> uint256:
    # PROTOCOL 3.1
    head: bytes32 = self.heads[cluster]
    assert head != empty(bytes32), "inbox: cluster"
    assert fuel_limit < MAX_FUEL, "inbox: fuel limit"
    assert fee_limit < MAX_FEE, "inbox: fee limit"
    index: uint256 = self.counts[cluster]
    head = keccak256(
        abi_encode(
            TAG,
            head,
            index,
            kind,
            origin,
            payer,
            item_count,
            fuel_limit,
            fee_limit,
            block.number,
            block.timestamp,
            block.prevrandao,
            payload_hash,
        )
    )
    self.heads[cluster] = head
    self.counts[cluster] = index + 1
    self.ring[cluster][index % RING] = head
    return index


@internal
@payable
def _reserve(cluster: bytes32, index: uint256, fee_limit: uint256):
    # PROTOCOL 3.2; Fees reverts where the balance is too small.
    if fee_limit != 0 or msg.value != 0:
        extcall IFees(FEES).reserve(msg.sender, cluster, index, fee_limit, value=msg.value)


@internal
@view
def _genesis_head(cluster: bytes32) -> bytes32:
    return keccak256(abi_encode(GENESIS_TAG, chain.id, self, cluster))
