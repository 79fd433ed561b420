# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Clusters: who executes together, and how many must agree
@license Apache-2.0
@notice A cluster's owner sets its terms once and admits members to a closed one; owner and guardian may remove members and
    raise the epoch of its keys. Nobody can change the quorum or the history. Each change is a system link of the
    cluster's inbox, so members and keys change at one place of the history (PROTOCOL 8.3).
    The runtime changes with an epoch alone: the owner announces the next one, and the first epoch that begins after
    the delay has it (PROTOCOL 12).
    Epochs are closed by the members together: a quorum signs that nothing is left under older keys, and in which
    checkpoint the state is, which operators outside the cluster hold (PROTOCOL 8.4). Whoever is removed gets no later
    keys: `contain` removes and raises in one transaction, and where that is due anybody may send it.
@dev Enclaves prove `clusters`, `members`, `epochs`, `boundaries` and `next_runtimes` by storage proofs: one slot per
    field, nothing packed.
    Reverts: "clusters: quorum", "clusters: dispute window", "clusters: cluster", "clusters: owner", "clusters: operator",
    "clusters: role", "clusters: revoked", "clusters: expired", "clusters: approval", "clusters: in a cluster",
    "clusters: full", "clusters: not a member", "clusters: remover", "clusters: raiser", "clusters: epochs",
    "clusters: network", "clusters: epoch", "clusters: not final", "clusters: state", "clusters: head",
    "clusters: holder", "clusters: holder inside", "clusters: holder twice", "clusters: holders",
    "clusters: delay", "clusters: runtime", "clusters: not announced"; and in `check_signatures`
    "clusters: signature", "clusters: order", "clusters: signer", "clusters: member", "clusters: revoked",
    "clusters: expired", "clusters: operator twice", "clusters: platform twice".
"""

from . import IClusters
from ..gatekeeping import IGatekeeping
from ..inbox import IInbox
from ..registry import IRegistry
from ..settlement import ISettlement
from ..shared import eip712
from ..shared import signatures as signing

implements: IClusters

TAG: constant(bytes32) = keccak256("coprocessor/v1/cluster")
KIND_EPOCH: constant(uint8) = 16
KIND_MEMBER: constant(uint8) = 20
ROLE_WORKER: constant(uint8) = 1
FIRST_EPOCH: constant(uint256) = 1
MAX_SIGNATURES: constant(uint256) = 16
MAX_MEMBERS: constant(uint256) = 64
MAX_DISPUTE_WINDOW: constant(uint256) = 2**32  # blocks
MAX_OPEN_EPOCHS: constant(uint256) = 16
MAX_RUNTIME_DELAY: constant(uint256) = 365 * 86400  # seconds
BOUNDARY_TYPE: constant(bytes32) = keccak256(
    "Boundary(bytes32 network,bytes32 cluster,uint64 epoch,uint64 count,bytes32 inbox_head,bytes32 root,bytes32 checkpoint)"
)

HELD_TYPE: constant(bytes32) = keccak256("Held(bytes32 network,bytes32 cluster,bytes32 checkpoint)")

# @notice An operator outside the cluster that holds a checkpoint, by what it runs: `gatekeeper` is 1 + the index of a
#     member of the committee, or 0 where `worker` is a live worker. It signs the EIP-712 struct `Held` with its account.
struct Holder:
    gatekeeper: uint256
    worker: bytes32
    signature: Bytes[65]

# @notice An epoch: its first link, its terms, and when it began, in seconds since 1970.
struct Epoch:
    start: uint256
    quorum: uint256
    fast_quorum: uint256
    runtime: bytes32
    raised: uint256

# @notice Where a cluster's older keys ended: the state after `count` links, settled for good, lies in `checkpoint`.
struct Ended:
    epoch: uint256
    count: uint256
    inbox_head: bytes32
    root: bytes32
    checkpoint: bytes32

# @notice The runtime that is announced for a cluster's next epochs, from `ready` on, in seconds since 1970; all zero where
#     none is.
struct NextRuntime:
    runtime: bytes32
    ready: uint256

# A worker's relation to a cluster that it has not joined.
flag Approval:
    GIVEN
    WITHDRAWN

event Created:
    cluster: indexed(bytes32)
    owner: indexed(address)
    quorum: uint256
    fast_quorum: uint256
    dispute_window: uint256
    open: bool
    runtime: bytes32

event Approved:
    cluster: indexed(bytes32)
    worker: indexed(bytes32)

event Joined:
    cluster: indexed(bytes32)
    worker: indexed(bytes32)
    operator: indexed(address)
    epoch: uint256

event Removed:
    cluster: indexed(bytes32)
    worker: indexed(bytes32)
    operator: indexed(address)
    epoch: uint256

event EpochRaised:
    cluster: indexed(bytes32)
    epoch: indexed(uint256)
    link: uint256
    sender: address

event RuntimeAnnounced:
    cluster: indexed(bytes32)
    runtime: bytes32
    ready: uint256

event RuntimeWithdrawn:
    cluster: indexed(bytes32)
    runtime: bytes32

event RuntimeSwitched:
    cluster: indexed(bytes32)
    epoch: indexed(uint256)
    runtime: bytes32

event EpochsClosed:
    cluster: indexed(bytes32)
    epoch: indexed(uint256)
    count: uint256
    root: bytes32
    checkpoint: bytes32
    signers: DynArray[bytes32, MAX_SIGNATURES]
    holders: DynArray[address, MAX_SIGNATURES]

REGISTRY: public(immutable(address))
INBOX: public(immutable(address))
SETTLEMENT: public(immutable(address))
GATEKEEPING: public(immutable(address))
GUARDIAN: public(immutable(address))
HOLDERS: public(immutable(uint256))  # r: operators outside a cluster that hold its checkpoint before epochs close
DELAY: public(immutable(uint256))  # seconds between the announcement of a runtime and its effect, at least

# @notice The clusters, by id.
clusters: public(HashMap[bytes32, IClusters.Cluster])
# @notice By cluster and worker: the epoch in which the worker joined, 0 if it is no member.
members: public(HashMap[bytes32, HashMap[bytes32, uint256]])
# @notice By cluster and number from 1: its epochs.
epochs: public(HashMap[bytes32, HashMap[uint256, Epoch]])
# @notice By cluster: the newest boundary; epoch 0 while there is none.
boundaries: public(HashMap[bytes32, Ended])
# @notice The one cluster that a worker is in; zero if none.
cluster_of: public(HashMap[bytes32, bytes32])
# @notice How many clusters were created.
count: public(uint256)
approvals: HashMap[bytes32, HashMap[bytes32, Approval]]
# @notice By cluster and operator: how many of its members the operator runs.
seats: public(HashMap[bytes32, HashMap[address, uint256]])
# @notice By cluster: a member was removed since the present epoch began, and still has its keys.
is_exposed: public(HashMap[bytes32, bool])
# @notice By cluster: the runtime that is announced.
next_runtimes: public(HashMap[bytes32, NextRuntime])


@deploy
def __init__(
    registry: address,
    inbox: address,
    settlement: address,
    gatekeeping: address,
    guardian: address,
    holders: uint256,
    delay: uint256,
):
    """
    @param registry Whose workers may join.
    @param inbox Where changes become links.
    @param settlement Says which states are final.
    @param gatekeeping Names the network.
    @param guardian Who may remove members and raise the epoch of any cluster.
    @param holders r: operators outside a cluster that must hold a checkpoint, 1 to 16 (PROTOCOL 8.4).
    @param delay Seconds between the announcement of a runtime and its effect, at least; 7 days outside development
        (PROTOCOL 1.4).
    """
    assert delay > 0 and delay <= MAX_RUNTIME_DELAY, "clusters: delay"
    assert holders >= 1 and holders <= MAX_SIGNATURES, "clusters: holders"
    REGISTRY = registry
    INBOX = inbox
    SETTLEMENT = settlement
    GATEKEEPING = gatekeeping
    GUARDIAN = guardian
    HOLDERS = holders
    DELAY = delay


@external
def create(quorum: uint256, fast_quorum: uint256, dispute_window: uint256, open: bool, runtime: bytes32) -> bytes32:
    """
    @notice Creates a cluster with the sender as its owner, in its first epoch, and starts its inbox.
    @param quorum Signatures of distinct operators that settle a receipt.
    @param fast_quorum Signatures that make it final at once; from `quorum` to 16.
    @param dispute_window Blocks for which a receipt with fewer signatures stays contestable.
    @param open Whether any admitted worker may join without the owner's approval.
    @param runtime Identifies the engine, its flags, guest and snapshot recipe.
    @return The cluster's id.
    """
    assert quorum >= 1 and quorum <= fast_quorum and fast_quorum <= MAX_SIGNATURES, "clusters: quorum"
    assert dispute_window <= MAX_DISPUTE_WINDOW, "clusters: dispute window"
    cluster: bytes32 = keccak256(abi_encode(TAG, chain.id, self, self.count))
    self.count += 1
    self.clusters[cluster] = IClusters.Cluster(
        owner=msg.sender,
        epoch=FIRST_EPOCH,
        quorum=quorum,
        fast_quorum=fast_quorum,
        dispute_window=dispute_window,
        open=open,
        runtime=runtime,
        member_count=0,
        first_open=FIRST_EPOCH,
    )
    log Created(
        cluster=cluster,
        owner=msg.sender,
        quorum=quorum,
        fast_quorum=fast_quorum,
        dispute_window=dispute_window,
        open=open,
        runtime=runtime,
    )
    self._begin(cluster, FIRST_EPOCH)
    return cluster


@external
def raise_epoch(cluster: bytes32) -> uint256:
    """
    @notice Gives a cluster new keys from the next link on. Members that were removed before never get them. A runtime
        whose announced delay is over is taken with them, here and in `contain`.
    @param cluster The cluster; sent by its owner or the guardian.
    @return The new epoch.
    """
    assert self.clusters[cluster].epoch != 0, "clusters: cluster"
    assert msg.sender == self.clusters[cluster].owner or msg.sender == GUARDIAN, "clusters: raiser"
    return self._raise(cluster)


@external
def announce_runtime(cluster: bytes32, runtime: bytes32, delay: uint256) -> uint256:
    """
    @notice Says that the first epoch that begins after the delay has another runtime, so that members install in time a
        release which carries it. Another announcement takes the place of one that waits, and waits itself.
    @param cluster A cluster of the sender.
    @param runtime Identifies the engine, its flags, guest and snapshot recipe; not the present one.
    @param delay Seconds, from `DELAY` to a year.
    @return From when on the runtime is taken, in seconds since 1970.
    """
    assert self.clusters[cluster].epoch != 0, "clusters: cluster"
    assert msg.sender == self.clusters[cluster].owner, "clusters: owner"
    assert runtime != empty(bytes32) and runtime != self.clusters[cluster].runtime, "clusters: runtime"
    assert delay >= DELAY and delay <= MAX_RUNTIME_DELAY, "clusters: delay"
    ready: uint256 = block.timestamp + delay
    self.next_runtimes[cluster] = NextRuntime(runtime=runtime, ready=ready)
    log RuntimeAnnounced(cluster=cluster, runtime=runtime, ready=ready)
    return ready


@external
def withdraw_runtime(cluster: bytes32):
    """
    @notice Takes an announcement back, as long as no epoch has begun with its runtime.
    @param cluster A cluster of the sender.
    """
    assert self.clusters[cluster].epoch != 0, "clusters: cluster"
    assert msg.sender == self.clusters[cluster].owner, "clusters: owner"
    runtime: bytes32 = self.next_runtimes[cluster].runtime
    assert runtime != empty(bytes32), "clusters: not announced"
    self.next_runtimes[cluster] = empty(NextRuntime)
    log RuntimeWithdrawn(cluster=cluster, runtime=runtime)


@external
def contain(cluster: bytes32, workers: DynArray[bytes32, MAX_SIGNATURES]) -> uint256:
    """
    @notice Ends memberships and gives the cluster keys that those workers never get, in one transaction.
        Owner and guardian may name any members. Anybody may name members that are revoked in the registry, or nobody
        where a member was removed since the present epoch began: new keys are due then.
    @param cluster The cluster.
    @param workers Worker ids of members.
    @return The new epoch.
    """
    assert self.clusters[cluster].epoch != 0, "clusters: cluster"
    is_trusted: bool = msg.sender == self.clusters[cluster].owner or msg.sender == GUARDIAN
    assert is_trusted or self.is_exposed[cluster] or len(workers) > 0, "clusters: raiser"
    for worker: bytes32 in workers:
        if not is_trusted:
            assert self._is_revoked(staticcall IRegistry(REGISTRY).workers(worker)), "clusters: remover"
        self._remove(cluster, worker)
    return self._raise(cluster)


@external
def close_epochs(
    boundary: IClusters.Boundary,
    receipt_number: uint256,
    signatures: DynArray[Bytes[65], MAX_SIGNATURES],
    holders: DynArray[Holder, MAX_SIGNATURES],
):
    """
    @notice Closes every epoch before the boundary's, for good: gatekeepers release their keys to nobody any more
        (PROTOCOL 8.4). Anybody may send it.
    @param boundary What the members signed.
    @param receipt_number The final receipt that settled the boundary's state.
    @param signatures Of at least a quorum of members, ascending by signer, over the EIP-712 struct `Boundary`.
    @param holders At least `HOLDERS` distinct operators, none of whom runs a member, that hold the checkpoint.
    """
    cluster: bytes32 = boundary.cluster
    epoch: uint256 = convert(boundary.epoch, uint256)
    count: uint256 = convert(boundary.count, uint256)
    assert boundary.network == staticcall IGatekeeping(GATEKEEPING).genesis(), "clusters: network"
    assert epoch > self.clusters[cluster].first_open and epoch <= self.clusters[cluster].epoch, "clusters: epoch"
    assert count > self.epochs[cluster][epoch].start, "clusters: epoch"
    settled: ISettlement.SettledReceipt = staticcall ISettlement(SETTLEMENT).receipts(cluster, receipt_number)
    assert staticcall ISettlement(SETTLEMENT).is_final(cluster, receipt_number), "clusters: not final"
    assert settled.to == count and settled.root == boundary.root, "clusters: state"
    assert staticcall IInbox(INBOX).head_at(cluster, count) == boundary.inbox_head, "clusters: head"
    digest: bytes32 = eip712.digest_of(keccak256(abi_encode(BOUNDARY_TYPE, boundary)))
    signers: DynArray[bytes32, MAX_SIGNATURES] = self._check_signatures(cluster, digest, signatures)
    assert len(signers) >= self.epochs[cluster][epoch].quorum, "clusters: quorum"
    keepers: DynArray[address, MAX_SIGNATURES] = self._check_holders(boundary, holders)
    assert len(keepers) >= HOLDERS, "clusters: holders"
    self.clusters[cluster].first_open = epoch
    self.boundaries[cluster] = Ended(
        epoch=epoch, count=count, inbox_head=boundary.inbox_head, root=boundary.root, checkpoint=boundary.checkpoint
    )
    log EpochsClosed(
        cluster=cluster,
        epoch=epoch,
        count=count,
        root=boundary.root,
        checkpoint=boundary.checkpoint,
        signers=signers,
        holders=keepers,
    )


@external
def approve(cluster: bytes32, worker: bytes32):
    """
    @notice Lets a worker join: any worker of a closed cluster needs it, and one that was removed from an open one.
    @param cluster A cluster of the sender.
    @param worker The worker's id; it may be admitted later.
    """
    assert self.clusters[cluster].epoch != 0, "clusters: cluster"
    assert msg.sender == self.clusters[cluster].owner, "clusters: owner"
    self.approvals[cluster][worker] = Approval.GIVEN
    log Approved(cluster=cluster, worker=worker)


@external
def join(cluster: bytes32, worker: bytes32):
    """
    @notice Makes an admitted worker a member. Sent by its operator.
    @param cluster The cluster.
    @param worker The worker's id; it must be in no cluster.
    """
    epoch: uint256 = self.clusters[cluster].epoch
    assert epoch != 0, "clusters: cluster"
    record: IRegistry.Worker = staticcall IRegistry(REGISTRY).workers(worker)
    assert msg.sender == record.operator, "clusters: operator"
    assert record.role == ROLE_WORKER, "clusters: role"
    assert not self._is_revoked(record), "clusters: revoked"
    assert block.timestamp < convert(record.expires, uint256), "clusters: expired"
    assert self.cluster_of[worker] == empty(bytes32), "clusters: in a cluster"
    assert self._may_join(cluster, worker), "clusters: approval"
    assert self.clusters[cluster].member_count < MAX_MEMBERS, "clusters: full"
    self.members[cluster][worker] = epoch
    self.cluster_of[worker] = cluster
    self.clusters[cluster].member_count += 1
    self.seats[cluster][record.operator] += 1
    log Joined(cluster=cluster, worker=worker, operator=record.operator, epoch=epoch)
    self._append_member(cluster, worker, record.operator, True, epoch)


@external
def remove(cluster: bytes32, worker: bytes32):
    """
    @notice Ends a membership at once. The worker joins this cluster again only with its owner's approval. New keys are
        then due: see `contain`.
    @param cluster The cluster.
    @param worker The member's worker id.
    """
    assert self.members[cluster][worker] != 0, "clusters: not a member"
    assert msg.sender == self.clusters[cluster].owner or msg.sender == GUARDIAN, "clusters: remover"
    self._remove(cluster, worker)


@external
@view
def terms(cluster: bytes32) -> IClusters.Terms:
    """
    @notice What settlement needs of a cluster in its present epoch.
    @param cluster The cluster.
    @return Its terms; epoch 0 where there is no such cluster.
    """
    return self._terms(cluster, self.clusters[cluster].epoch)


@external
@view
def terms_at(cluster: bytes32, epoch: uint256) -> IClusters.Terms:
    """
    @notice What settlement needs of a cluster in one of its epochs.
    @param cluster The cluster.
    @param epoch From 1.
    @return Its terms then; epoch 0 where there is no such epoch.
    """
    return self._terms(cluster, epoch)


@external
@view
def check_signatures(
    cluster: bytes32, digest: bytes32, signatures: DynArray[Bytes[65], MAX_SIGNATURES]
) -> DynArray[bytes32, MAX_SIGNATURES]:
    """
    @notice Who signed for a cluster; the caller compares their number with a quorum (PROTOCOL 7.1).
    @param cluster The cluster.
    @param digest What was signed.
    @param signatures In strictly ascending order of the signers' addresses.
    @return The worker ids: members with live keys, of distinct operators, on distinct platforms. One bad signature
        reverts all.
    """
    return self._check_signatures(cluster, digest, signatures)


@internal
def _remove(cluster: bytes32, worker: bytes32):
    assert self.members[cluster][worker] != 0, "clusters: not a member"
    operator: address = (staticcall IRegistry(REGISTRY).workers(worker)).operator
    epoch: uint256 = self.clusters[cluster].epoch
    self.members[cluster][worker] = 0
    self.cluster_of[worker] = empty(bytes32)
    self.approvals[cluster][worker] = Approval.WITHDRAWN
    self.clusters[cluster].member_count -= 1
    self.seats[cluster][operator] -= 1
    self.is_exposed[cluster] = True
    log Removed(cluster=cluster, worker=worker, operator=operator, epoch=epoch)
    self._append_member(cluster, worker, operator, False, epoch)


@internal
def _raise(cluster: bytes32) -> uint256:
    epoch: uint256 = self.clusters[cluster].epoch + 1
    assert epoch - self.clusters[cluster].first_open < MAX_OPEN_EPOCHS, "clusters: epochs"
    self.clusters[cluster].epoch = epoch
    self.is_exposed[cluster] = False
    self._switch(cluster, epoch)
    self._begin(cluster, epoch)
    return epoch


@internal
def _switch(cluster: bytes32, epoch: uint256):
    # PROTOCOL 12: an announced runtime is taken at the link of an epoch, never inside one.
    announced: NextRuntime = self.next_runtimes[cluster]
    if announced.runtime == empty(bytes32) or block.timestamp < announced.ready:
        return
    self.clusters[cluster].runtime = announced.runtime
    self.next_runtimes[cluster] = empty(NextRuntime)
    log RuntimeSwitched(cluster=cluster, epoch=epoch, runtime=announced.runtime)


@internal
def _begin(cluster: bytes32, epoch: uint256):
    # PROTOCOL 8.3: the link is the first of its epoch.
    quorum: uint256 = self.clusters[cluster].quorum
    fast_quorum: uint256 = self.clusters[cluster].fast_quorum
    runtime: bytes32 = self.clusters[cluster].runtime
    payload: Bytes[128] = abi_encode(epoch, runtime, quorum, fast_quorum)
    link: uint256 = extcall IInbox(INBOX).append_system(cluster, KIND_EPOCH, payload)
    self.epochs[cluster][epoch] = Epoch(
        start=link, quorum=quorum, fast_quorum=fast_quorum, runtime=runtime, raised=block.timestamp
    )
    log EpochRaised(cluster=cluster, epoch=epoch, link=link, sender=msg.sender)


@internal
@view
def _terms(cluster: bytes32, epoch: uint256) -> IClusters.Terms:
    present: uint256 = self.clusters[cluster].epoch
    if epoch == 0 or epoch > present:
        return empty(IClusters.Terms)
    terms: Epoch = self.epochs[cluster][epoch]
    end: uint256 = max_value(uint256)
    if epoch < present:
        end = self.epochs[cluster][epoch + 1].start
    return IClusters.Terms(
        epoch=epoch,
        quorum=terms.quorum,
        fast_quorum=terms.fast_quorum,
        dispute_window=self.clusters[cluster].dispute_window,
        runtime=terms.runtime,
        start=terms.start,
        end=end,
    )


@internal
@view
def _check_signatures(
    cluster: bytes32, digest: bytes32, signatures: DynArray[Bytes[65], MAX_SIGNATURES]
) -> DynArray[bytes32, MAX_SIGNATURES]:
    workers: DynArray[bytes32, MAX_SIGNATURES] = []
    operators: DynArray[address, MAX_SIGNATURES] = []
    platforms: DynArray[bytes32, MAX_SIGNATURES] = []
    last: address = empty(address)
    for signature: Bytes[65] in signatures:
        signer: address = signing.recover(digest, signature)
        assert signer != empty(address), "clusters: signature"
        assert convert(signer, uint160) > convert(last, uint160), "clusters: order"
        last = signer
        standing: IRegistry.Standing = staticcall IRegistry(REGISTRY).standing(signer)
        assert standing.worker != empty(bytes32), "clusters: signer"
        assert self.members[cluster][standing.worker] != 0, "clusters: member"
        assert not standing.revoked, "clusters: revoked"
        assert block.timestamp < convert(standing.expires, uint256), "clusters: expired"
        assert standing.operator not in operators, "clusters: operator twice"
        assert standing.platform not in platforms, "clusters: platform twice"
        workers.append(standing.worker)
        operators.append(standing.operator)
        platforms.append(standing.platform)
    return workers


@internal
@view
def _check_holders(
    boundary: IClusters.Boundary, holders: DynArray[Holder, MAX_SIGNATURES]
) -> DynArray[address, MAX_SIGNATURES]:
    # PROTOCOL 8.4: operators outside the cluster, each once.
    digest: bytes32 = eip712.digest_of(
        keccak256(abi_encode(HELD_TYPE, boundary.network, boundary.cluster, boundary.checkpoint))
    )
    keepers: DynArray[address, MAX_SIGNATURES] = []
    for holder: Holder in holders:
        operator: address = signing.recover(digest, holder.signature)
        assert operator != empty(address), "clusters: signature"
        assert self._may_hold(operator, holder), "clusters: holder"
        assert self.seats[boundary.cluster][operator] == 0, "clusters: holder inside"
        assert operator not in keepers, "clusters: holder twice"
        keepers.append(operator)
    return keepers


@internal
@view
def _may_hold(operator: address, holder: Holder) -> bool:
    if holder.gatekeeper != 0:
        member: IGatekeeping.Member = staticcall IGatekeeping(GATEKEEPING).members(holder.gatekeeper - 1)
        return operator == member.operator and staticcall IGatekeeping(GATEKEEPING).revoked(member.signer) == 0
    record: IRegistry.Worker = staticcall IRegistry(REGISTRY).workers(holder.worker)
    is_live: bool = not self._is_revoked(record) and block.timestamp < convert(record.expires, uint256)
    return operator == record.operator and record.role == ROLE_WORKER and is_live


@internal
@view
def _is_revoked(record: IRegistry.Worker) -> bool:
    # Itself, or by what the network distrusts: its vendor, its measurement, its platform.
    return (staticcall IRegistry(REGISTRY).standing(record.signer)).revoked


@internal
@view
def _may_join(cluster: bytes32, worker: bytes32) -> bool:
    approval: Approval = self.approvals[cluster][worker]
    if approval == Approval.GIVEN:
        return True
    return self.clusters[cluster].open and approval != Approval.WITHDRAWN


@internal
def _append_member(cluster: bytes32, worker: bytes32, operator: address, joined: bool, epoch: uint256):
    payload: Bytes[128] = abi_encode(worker, operator, joined, epoch)
    extcall IInbox(INBOX).append_system(cluster, KIND_MEMBER, payload)
