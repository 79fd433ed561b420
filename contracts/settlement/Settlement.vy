# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Settlement: which state and outputs of a cluster the chain accepts
@license Apache-2.0
@notice Anybody brings receipts; only signatures of the cluster's members count (PROTOCOL 7). With `fast_quorum`
    signatures a receipt is final at once, otherwise after the dispute window, in order. A contrary receipt inside the
    window freezes the cluster from there on, until a jury has re-executed (which comes later). Nobody has powers here:
    no owner, no upgrade.
@dev Enclaves prove `settled`, `receipts` and `frozen_from` by storage proofs: one slot per field, nothing packed.
    Reverts in `settle` and `contest`: "settlement: network", "settlement: epoch",
    "settlement: runtime", "settlement: frozen", "settlement: from", "settlement: to", "settlement: previous root",
    "settlement: head", "settlement: block", "settlement: quorum", "settlement: unknown claim",
    "settlement: window closed", "settlement: not contrary", and those of `Inbox.head_at` and `Clusters.check_signatures`.
    In `report_equivocation`: "settlement: not contrary", "settlement: signature", "settlement: signer".
    In `deliver`: "settlement: not final", "settlement: request", "settlement: output", "settlement: plaintext",
    "settlement: delivered", "settlement: gas".
"""

from . import ISettlement
from . import outputs
from . import receipts as receipt_hashing
from ..clusters import IClusters
from ..gatekeeping import IGatekeeping
from ..inbox import IInbox
from ..registry import IRegistry
from ..shared import eip712
from ..shared import signatures as signing

implements: ISettlement

MAX_SIGNATURES: constant(uint256) = 16
MAX_PROOF: constant(uint256) = 32
MAX_RESULT: constant(uint256) = 4096  # bytes of a delivered plaintext
MAX_CALLBACK: constant(uint256) = 4260  # selector, four words, a length and the result
MAX_BLOCK_AGE: constant(uint256) = 256  # blocks whose hash the chain can tell
DELIVERY_RESERVE: constant(uint256) = 10000  # gas for reaching the consumer's account and for the event

# @notice How far a cluster is settled: links, root after them, receipts.
struct Progress:
    count: uint256
    root: bytes32
    receipts: uint256

event Settled:
    cluster: indexed(bytes32)
    receipt_number: indexed(uint256)
    first: uint256
    to: uint256
    new_root: bytes32
    outputs_root: bytes32
    signers: DynArray[bytes32, MAX_SIGNATURES]
    final_block: uint256

event Contested:
    cluster: indexed(bytes32)
    receipt_number: indexed(uint256)
    new_root: bytes32
    outputs_root: bytes32
    signers: DynArray[bytes32, MAX_SIGNATURES]

event Equivocated:
    worker: indexed(bytes32)
    signer: indexed(address)
    cluster: indexed(bytes32)
    to: uint256

event Delivered:
    request: indexed(bytes32)
    consumer: indexed(address)
    success: bool
    status: uint8

INBOX: public(immutable(address))
CLUSTERS: public(immutable(address))
REGISTRY: public(immutable(address))
GATEKEEPING: public(immutable(address))

# @notice By cluster: how far it is settled, final or not.
settled: public(HashMap[bytes32, Progress])
# @notice By cluster and number from 0: the settled receipts.
receipts: public(HashMap[bytes32, HashMap[uint256, ISettlement.SettledReceipt]])
# @notice By cluster: 0, or 1 + the number of the first receipt that is frozen.
frozen_from: public(HashMap[bytes32, uint256])
# @notice Requests whose output was delivered.
is_delivered: public(HashMap[bytes32, bool])
# by claim: 1 + the number of the receipt that settled it while it could be contested
claims: HashMap[bytes32, uint256]


@deploy
def __init__(inbox: address, clusters: address, registry: address, gatekeeping: address):
    """
    @param inbox Whose heads receipts must reach.
    @param clusters Whose members sign.
    @param registry Revokes who equivocates.
    @param gatekeeping Names the network.
    """
    INBOX = inbox
    CLUSTERS = clusters
    REGISTRY = registry
    GATEKEEPING = gatekeeping


@external
def settle(receipt: ISettlement.Receipt, signatures: DynArray[Bytes[65], MAX_SIGNATURES]) -> uint256:
    """
    @notice Accepts the next state of a cluster. Anybody may send it; no key of an enclave pays.
    @param receipt From the last settled link to any later one of the same epoch.
    @param signatures Of at least a quorum of members, ascending by signer.
    @return Number of the receipt in its cluster.
    """
    cluster: bytes32 = receipt.cluster
    terms: IClusters.Terms = self._check_context(receipt)
    progress: Progress = self.settled[cluster]
    assert self.frozen_from[cluster] == 0, "settlement: frozen"
    assert convert(receipt.first, uint256) == progress.count, "settlement: from"
    assert receipt.to > receipt.first, "settlement: to"
    assert receipt.previous_root == progress.root, "settlement: previous root"
    to: uint256 = convert(receipt.to, uint256)
    assert staticcall IInbox(INBOX).head_at(cluster, to) == receipt.inbox_head, "settlement: head"
    signers: DynArray[bytes32, MAX_SIGNATURES] = self._check_quorum(receipt, signatures, terms.quorum)

    number: uint256 = progress.receipts
    final_block: uint256 = self._final_block(cluster, number, len(signers), terms)
    self.settled[cluster] = Progress(count=to, root=receipt.new_root, receipts=number + 1)
    self.receipts[cluster][number] = ISettlement.SettledReceipt(
        to=to, root=receipt.new_root, outputs_root=receipt.outputs_root, final_block=final_block
    )
    if final_block > block.number:
        self.claims[receipt_hashing.claim_of(receipt)] = number + 1
    log Settled(
        cluster=cluster,
        receipt_number=number,
        first=progress.count,
        to=to,
        new_root=receipt.new_root,
        outputs_root=receipt.outputs_root,
        signers=signers,
        final_block=final_block,
    )
    return number


@external
def contest(receipt: ISettlement.Receipt, signatures: DynArray[Bytes[65], MAX_SIGNATURES]):
    """
    @notice Freezes a cluster from a receipt on, by another one that a quorum signed for the same range of the same
        history with another outcome, while the first is not final (PROTOCOL 7.3).
    @param receipt The contrary receipt.
    @param signatures Of at least a quorum of members, ascending by signer.
    """
    cluster: bytes32 = receipt.cluster
    terms: IClusters.Terms = self._check_context(receipt)
    number: uint256 = self.claims[receipt_hashing.claim_of(receipt)]
    assert number != 0, "settlement: unknown claim"
    number -= 1
    accepted: ISettlement.SettledReceipt = self.receipts[cluster][number]
    assert not self._is_final(cluster, number), "settlement: window closed"
    frozen_from: uint256 = self.frozen_from[cluster]
    assert frozen_from == 0 or number + 1 < frozen_from, "settlement: frozen"
    assert (
        receipt.new_root != accepted.root or receipt.outputs_root != accepted.outputs_root
    ), "settlement: not contrary"
    signers: DynArray[bytes32, MAX_SIGNATURES] = self._check_quorum(receipt, signatures, terms.quorum)
    self.frozen_from[cluster] = number + 1
    log Contested(
        cluster=cluster,
        receipt_number=number,
        new_root=receipt.new_root,
        outputs_root=receipt.outputs_root,
        signers=signers,
    )


@external
def report_equivocation(
    a: ISettlement.Receipt, signature_a: Bytes[65], b: ISettlement.Receipt, signature_b: Bytes[65]
):
    """
    @notice Ends a worker that signed two receipts which cannot both be honest (PROTOCOL 7.4), also if it has changed its
        key since.
    @param a One receipt; it need not be settled.
    @param signature_a Of the worker over `a`.
    @param b The contrary receipt.
    @param signature_b Of the same key over `b`.
    """
    assert receipt_hashing.are_contrary(a, b), "settlement: not contrary"
    signer: address = signing.recover(self._digest(a), signature_a)
    assert signer != empty(address), "settlement: signature"
    assert signing.recover(self._digest(b), signature_b) == signer, "settlement: signature"
    worker: bytes32 = staticcall IRegistry(REGISTRY).bound_worker(signer)
    assert worker != empty(bytes32), "settlement: signer"
    log Equivocated(worker=worker, signer=signer, cluster=a.cluster, to=convert(a.to, uint256))
    extcall IRegistry(REGISTRY).revoke_for_equivocation(worker)


@external
def deliver(
    cluster: bytes32,
    receipt_number: uint256,
    output: ISettlement.Output,
    salt: bytes32,
    plaintext: Bytes[MAX_RESULT],
    leaf_index: uint256,
    leaf_count: uint256,
    proof: DynArray[bytes32, MAX_PROOF],
) -> bool:
    """
    @notice Hands the output of a request to the contract that asked, once (PROTOCOL 7.5). The callback gets exactly the gas
        that the request named; its failure is recorded and changes nothing else.
    @param cluster The request's cluster.
    @param receipt_number A final receipt.
    @param output The request's outcome.
    @param salt With `plaintext`, what `output.plaintext_hash` hides.
    @param plaintext The result, at most 4,096 bytes.
    @param leaf_index As in `verify_output`.
    @param leaf_count As in `verify_output`.
    @param proof As in `verify_output`.
    @return Whether the callback succeeded.
    """
    asked: IInbox.Request = staticcall IInbox(INBOX).requests(output.request)
    assert asked.consumer != empty(address), "settlement: request"
    assert asked.cluster == cluster and asked.program == output.program, "settlement: request"
    assert asked.link == output.link and output.position == 0, "settlement: request"
    assert not self.is_delivered[output.request], "settlement: delivered"
    assert self._is_final(cluster, receipt_number), "settlement: not final"
    outputs_root: bytes32 = self.receipts[cluster][receipt_number].outputs_root
    assert outputs.is_included(output, leaf_index, leaf_count, proof, outputs_root), "settlement: output"
    assert keccak256(concat(salt, plaintext)) == output.plaintext_hash, "settlement: plaintext"
    self.is_delivered[output.request] = True

    callback: Bytes[MAX_CALLBACK] = abi_encode(
        output.request,
        output.program,
        output.status,
        plaintext,
        method_id=method_id("on_phat_result(bytes32,bytes32,uint8,bytes)"),
    )
    # EIP-150 keeps back a 64th of the gas; without this a sender could starve the callback.
    assert msg.gas * 63 // 64 >= asked.callback_gas + DELIVERY_RESERVE, "settlement: gas"
    success: bool = raw_call(asked.consumer, callback, gas=asked.callback_gas, revert_on_failure=False)
    log Delivered(request=output.request, consumer=asked.consumer, success=success, status=output.status)
    return success


@external
@view
def verify_output(
    cluster: bytes32,
    receipt_number: uint256,
    output: ISettlement.Output,
    leaf_index: uint256,
    leaf_count: uint256,
    proof: DynArray[bytes32, MAX_PROOF],
) -> bool:
    """
    @notice Whether an output stands under a final receipt: what a consumer asks that pulls its result.
    @param cluster The cluster.
    @param receipt_number Number of the receipt in its cluster.
    @param output The outcome of an item.
    @param leaf_index Its place among the receipt's outputs.
    @param leaf_count How many outputs the receipt has.
    @param proof Siblings from the bottom up.
    @return False for a receipt that is missing, pending or frozen, and for every proof that is not exactly right.
    """
    if not self._is_final(cluster, receipt_number):
        return False
    outputs_root: bytes32 = self.receipts[cluster][receipt_number].outputs_root
    return outputs.is_included(output, leaf_index, leaf_count, proof, outputs_root)


@external
@view
def is_final(cluster: bytes32, receipt_number: uint256) -> bool:
    """
    @notice Whether a receipt can no longer be contested.
    @param cluster The cluster.
    @param receipt_number Number of the receipt in its cluster.
    @return False for a receipt that is missing, pending or frozen.
    """
    return self._is_final(cluster, receipt_number)


@external
@view
def final_count(cluster: bytes32) -> uint256:
    """
    @notice How many of a cluster's links are finally settled.
    @dev Receipts become final in order, so a binary search finds the last one: some 20 reads for a million receipts.
    @param cluster The cluster.
    @return Number of links under final receipts.
    """
    low: uint256 = 0  # receipts below are final
    high: uint256 = self.settled[cluster].receipts  # receipts from here on are not
    if high != 0 and self._is_final(cluster, high - 1):
        return self.settled[cluster].count
    for _: uint256 in range(256):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._is_final(cluster, middle):
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return self.receipts[cluster][low - 1].to


@internal
@view
def _check_context(receipt: ISettlement.Receipt) -> IClusters.Terms:
    # That the receipt speaks of this network, of a cluster as it is now, and of this chain.
    assert receipt.network == staticcall IGatekeeping(GATEKEEPING).genesis(), "settlement: network"
    terms: IClusters.Terms = staticcall IClusters(CLUSTERS).terms_at(receipt.cluster, convert(receipt.epoch, uint256))
    assert terms.epoch != 0, "settlement: epoch"
    # PROTOCOL 7.2
    assert convert(receipt.first, uint256) >= terms.start, "settlement: epoch"
    assert convert(receipt.to, uint256) <= terms.end, "settlement: epoch"
    assert receipt.runtime == terms.runtime, "settlement: runtime"
    number: uint256 = convert(receipt.block_number, uint256)
    assert number < block.number, "settlement: block"
    if block.number - number <= MAX_BLOCK_AGE:
        assert blockhash(number) == receipt.block_hash, "settlement: block"
    return terms


@internal
@view
def _check_quorum(
    receipt: ISettlement.Receipt, signatures: DynArray[Bytes[65], MAX_SIGNATURES], quorum: uint256
) -> DynArray[bytes32, MAX_SIGNATURES]:
    signers: DynArray[bytes32, MAX_SIGNATURES] = staticcall IClusters(CLUSTERS).check_signatures(
        receipt.cluster, self._digest(receipt), signatures
    )
    assert len(signers) >= quorum, "settlement: quorum"
    return signers


@internal
@view
def _final_block(cluster: bytes32, number: uint256, signer_count: uint256, terms: IClusters.Terms) -> uint256:
    # No receipt is final before the one it builds on.
    final_block: uint256 = block.number
    if signer_count < terms.fast_quorum:
        final_block += terms.dispute_window
    if number == 0:
        return final_block
    return max(final_block, self.receipts[cluster][number - 1].final_block)


@internal
@view
def _is_final(cluster: bytes32, number: uint256) -> bool:
    if number >= self.settled[cluster].receipts:
        return False
    frozen_from: uint256 = self.frozen_from[cluster]
    if frozen_from != 0 and number + 1 >= frozen_from:
        return False
    return block.number >= self.receipts[cluster][number].final_block


@internal
@view
def _digest(receipt: ISettlement.Receipt) -> bytes32:
    return eip712.digest_of(receipt_hashing.struct_hash_of(receipt))
