# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Programs: published code, its instances, their versions and their input keys
@license Apache-2.0
@notice Code rides in events and is pinned by a rolling hash. An instance belongs to one cluster; its owner, first code and
    upgrade policy are part of its id and cannot be changed. Keys are recorded once per epoch, many programs' in one
    transaction, signed by a quorum of the cluster, so that clients know where to seal their inputs (PROTOCOL 4.4).
    New code is announced by whom the policy names, stands here for the policy's delay, and then anybody may have it
    take effect, by a link (PROTOCOL 12). All versions stay readable, in order.
@dev Enclaves and clients prove `codes`, `programs`, `handles`, `input_keys`, `announcements`, `upgrade_counts` and
    `upgrades` and `account_signers` by storage proofs: one slot per field.
    Reverts: "programs: chunk order", "programs: chunk empty", "programs: upload closed", "programs: code",
    "programs: cluster", "programs: callee", "programs: exists", "programs: handles", "programs: fuel limit",
    "programs: program", "programs: epoch", "programs: kind", "programs: key", "programs: no key",
    "programs: same key", "programs: quorum", "programs: policy", "programs: owner", "programs: votes",
    "programs: announced", "programs: not announced", "programs: early", "programs: expired", and those of
    `Clusters.check_signatures`.
"""

from . import IPrograms
from . import policies
from ..clusters import IClusters
from ..gatekeeping import IGatekeeping
from ..inbox import IInbox
from ..shared import eip712

implements: IPrograms

TAG: constant(bytes32) = keccak256("coprocessor/v1/program")
INPUT_KEY_TYPE: constant(bytes32) = keccak256(
    "InputKey(bytes32 network,bytes32 cluster,bytes32 program,uint64 epoch,bytes32 key)"
)
PROGRAM_KEYS_TYPE: constant(bytes32) = keccak256(
    "ProgramKeys(bytes32 network,bytes32 cluster,uint64 epoch,bytes32 keysHash)"
)
KIND_INPUT_KEY: constant(uint8) = 0
KIND_ACCOUNT_SIGNER: constant(uint8) = 1
UPGRADE_TYPE: constant(bytes32) = keccak256(
    "Upgrade(bytes32 program,uint64 announcement,bytes32 code_hash,uint64 fuel_limit)"
)
WITHDRAWAL_TYPE: constant(bytes32) = keccak256("Withdrawal(bytes32 program,uint64 announcement)")
KIND_INSTANTIATE: constant(uint8) = 21
KIND_UPGRADE: constant(uint8) = 22
EXECUTION_WINDOW: constant(uint256) = 604800  # seconds after its delay in which an announcement holds
MAX_CHUNK: constant(uint256) = 98304  # bytes of one chunk
MAX_CHUNKS: constant(uint256) = 64
MAX_CALLEES: constant(uint256) = 8
MAX_INIT: constant(uint256) = 4096  # bytes of the constructor's arguments
MAX_HANDLES: constant(uint256) = 2**32
MAX_FUEL: constant(uint256) = 2**64
MAX_SIGNATURES: constant(uint256) = 16
MAX_KEYS: constant(uint256) = 128  # keys of one transaction

# @notice A public key of a program in an epoch. Kind 0: X25519, to which inputs are sealed; for a cluster's id, to which
#     private code is sealed. Kind 1: the address of the signer of the program's account, as a number.
struct ProgramKey:
    program: bytes32
    kind: uint8
    key: bytes32

# @notice An upload in progress. `chunks` is the number received; a closed upload takes no more.
struct Upload:
    digest: bytes32
    chunks: uint256
    closed: bool

# @notice New code that waits; `ready` zero where none does. Times are in seconds since 1970.
struct Announcement:
    code_hash: bytes32
    ready: uint256
    expires: uint256
    fuel_limit: uint256
    number: uint256

# @notice A version after the first one, and the link at which it took the place of the one before.
struct Upgrade:
    code_hash: bytes32
    link: uint256

event CodeChunk:
    upload_key: indexed(bytes32)
    index: uint256
    data: Bytes[MAX_CHUNK]

event CodePublished:
    code_hash: indexed(bytes32)
    upload_key: indexed(bytes32)
    publisher: indexed(address)
    chunks: uint256

event Instantiated:
    program: indexed(bytes32)
    cluster: indexed(bytes32)
    owner: indexed(address)
    code_hash: bytes32
    handle: uint256
    policy: bytes32

event InputKeyPublished:
    program: indexed(bytes32)
    epoch: indexed(uint256)
    key: bytes32

event AccountSignerPublished:
    program: indexed(bytes32)
    epoch: indexed(uint256)
    signer: indexed(address)

event KeysPublished:
    cluster: indexed(bytes32)
    epoch: indexed(uint256)
    signers: DynArray[bytes32, MAX_SIGNATURES]

event InputKeyDisputed:
    program: indexed(bytes32)
    epoch: indexed(uint256)
    worker: indexed(bytes32)
    recorded_key: bytes32
    derived_key: bytes32

event PolicyDisclosed:
    digest: indexed(bytes32)
    kind: uint8
    delay: uint64
    threshold: uint8
    keys: DynArray[address, MAX_SIGNATURES]

event Announced:
    program: indexed(bytes32)
    number: indexed(uint256)
    code_hash: indexed(bytes32)
    ready: uint256
    expires: uint256
    fuel_limit: uint256

event Withdrawn:
    program: indexed(bytes32)
    number: indexed(uint256)

event Upgraded:
    program: indexed(bytes32)
    number: indexed(uint256)
    code_hash: indexed(bytes32)
    link: uint256

CLUSTERS: public(immutable(address))
GATEKEEPING: public(immutable(address))
INBOX: public(immutable(address))

# @notice Number of chunks of published code, by code hash; 0 if it was not published.
codes: public(HashMap[bytes32, uint256])
# @notice The programs, by id.
programs: public(HashMap[bytes32, IPrograms.Program])
# @notice By cluster and handle: the program's id.
handles: public(HashMap[bytes32, HashMap[uint256, bytes32]])
# @notice By program (or cluster, for the cluster's own key) and epoch: the X25519 input key; zero if not recorded.
input_keys: public(HashMap[bytes32, HashMap[uint256, bytes32]])
# @notice The next handle of a cluster.
handle_count: public(HashMap[bytes32, uint256])
# @notice Uploads, by upload key.
uploads: public(HashMap[bytes32, Upload])
# @notice By program: the upgrade that waits.
announcements: public(HashMap[bytes32, Announcement])
# @notice By program: how many upgrades were executed.
upgrade_counts: public(HashMap[bytes32, uint256])
# @notice By program and number from 1: its upgrades. The first code is in `programs`.
upgrades: public(HashMap[bytes32, HashMap[uint256, Upgrade]])
# @notice By program: how many upgrades were announced; the next vote names this number.
announcement_counts: public(HashMap[bytes32, uint256])
# @notice By program and epoch: who signs for its account (`Accounts`); zero if not recorded.
account_signers: public(HashMap[bytes32, HashMap[uint256, address]])


@deploy
def __init__(clusters: address, gatekeeping: address, inbox: address):
    """
    @param clusters Where programs live, and whose members sign input keys.
    @param gatekeeping Names the network.
    @param inbox Where instantiations become links.
    """
    CLUSTERS = clusters
    GATEKEEPING = gatekeeping
    INBOX = inbox


@external
def publish(upload: bytes32, index: uint256, last: bool, chunk: Bytes[MAX_CHUNK]):
    """
    @notice Publishes a piece of code. The code hash is h after the last piece, where h starts at zero and becomes
        keccak256(h || keccak256(piece)). To publish the same code again is harmless.
    @param upload Any number that the sender has not used; an upload can go on after an interruption.
    @param index Which piece this is, from 0 to 63, in order.
    @param last Whether the code ends here.
    @param chunk 1 to 98,304 bytes.
    """
    upload_key: bytes32 = keccak256(abi_encode(msg.sender, upload))
    state: Upload = self.uploads[upload_key]
    assert not state.closed, "programs: upload closed"
    assert index == state.chunks and index < MAX_CHUNKS, "programs: chunk order"
    assert len(chunk) != 0, "programs: chunk empty"
    state.digest = keccak256(concat(state.digest, keccak256(chunk)))
    state.chunks = index + 1
    state.closed = last
    self.uploads[upload_key] = state
    log CodeChunk(upload_key=upload_key, index=index, data=chunk)
    if last:
        self.codes[state.digest] = state.chunks
        log CodePublished(
            code_hash=state.digest, upload_key=upload_key, publisher=msg.sender, chunks=state.chunks
        )


@external
def instantiate(
    code_hash: bytes32,
    cluster: bytes32,
    salt: bytes32,
    policy: bytes32,
    callees: DynArray[bytes32, MAX_CALLEES],
    init_arguments: Bytes[MAX_INIT],
    fuel_limit: uint256,
) -> bytes32:
    """
    @notice Deploys published code as a program of a cluster, owned by the sender.
    @param code_hash Of published code.
    @param cluster Where it runs.
    @param salt Separates instances of one owner and code.
    @param policy Commits to the upgrade policy (PROTOCOL 12); part of the program's id.
    @param callees Programs of the same cluster that it may call (PROTOCOL 5.4).
    @param init_arguments The constructor's arguments, at most 4,096 bytes, sealed if they are secret.
    @param fuel_limit Of the constructor; below 2**64.
    @return The program's id.
    """
    assert self.codes[code_hash] != 0, "programs: code"
    assert (staticcall IClusters(CLUSTERS).terms(cluster)).epoch != 0, "programs: cluster"
    assert fuel_limit < MAX_FUEL, "programs: fuel limit"
    for callee: bytes32 in callees:
        assert self.programs[callee].cluster == cluster, "programs: callee"
    program: bytes32 = keccak256(abi_encode(TAG, chain.id, self, msg.sender, code_hash, cluster, salt, policy))
    assert self.programs[program].cluster == empty(bytes32), "programs: exists"
    handle: uint256 = self.handle_count[cluster]
    assert handle < MAX_HANDLES, "programs: handles"
    self.handle_count[cluster] = handle + 1
    self.handles[cluster][handle] = program
    self.programs[program] = IPrograms.Program(
        owner=msg.sender, cluster=cluster, code_hash=code_hash, handle=handle, policy=policy
    )
    log Instantiated(
        program=program, cluster=cluster, owner=msg.sender, code_hash=code_hash, handle=handle, policy=policy
    )
    payload: Bytes[8192] = abi_encode(
        program, handle, msg.sender, code_hash, policy, fuel_limit, callees, init_arguments
    )
    extcall IInbox(INBOX).append_system(cluster, KIND_INSTANTIATE, payload)
    return program


@external
def disclose(policy: IPrograms.Policy) -> bytes32:
    """
    @notice Shows a policy to everybody who meets its digest in a program. Changes no state.
    @param policy In its one form.
    @return Its digest.
    """
    digest: bytes32 = policies.digest_of(policy)
    assert digest != empty(bytes32), "programs: policy"
    log PolicyDisclosed(
        digest=digest, kind=policy.kind, delay=policy.delay, threshold=policy.threshold, keys=policy.keys
    )
    return digest


@external
def announce(
    program: bytes32,
    policy: IPrograms.Policy,
    code_hash: bytes32,
    fuel_limit: uint64,
    votes: DynArray[Bytes[65], MAX_SIGNATURES],
):
    """
    @notice Says that a program will have other code once its policy's delay is over. Sent by its owner where the policy is
        a timelock; by anybody with signatures over the EIP-712 struct `Upgrade` where it is votes.
    @param program The program. One upgrade waits at a time.
    @param policy What the program's `policy` commits to.
    @param code_hash Of published code.
    @param fuel_limit Of the new code's method `upgrade`, where it has one.
    @param votes Of at least the policy's threshold of its keys, ascending by key; empty for a timelock.
    """
    assert not self._is_waiting(program), "programs: announced"
    assert self.codes[code_hash] != 0, "programs: code"
    number: uint256 = self.announcement_counts[program]
    struct_hash: bytes32 = keccak256(abi_encode(UPGRADE_TYPE, program, number, code_hash, fuel_limit))
    self._authorize(program, policy, struct_hash, votes)
    self.announcement_counts[program] = number + 1
    ready: uint256 = block.timestamp + convert(policy.delay, uint256)
    waiting: Announcement = Announcement(
        code_hash=code_hash,
        ready=ready,
        expires=ready + EXECUTION_WINDOW,
        fuel_limit=convert(fuel_limit, uint256),
        number=number,
    )
    self.announcements[program] = waiting
    log Announced(
        program=program,
        number=number,
        code_hash=code_hash,
        ready=ready,
        expires=waiting.expires,
        fuel_limit=waiting.fuel_limit,
    )


@external
def withdraw(program: bytes32, policy: IPrograms.Policy, votes: DynArray[Bytes[65], MAX_SIGNATURES]):
    """
    @notice Takes the upgrade that waits back: as `announce`, with the EIP-712 struct `Withdrawal`.
    @param program The program.
    @param policy What the program's `policy` commits to.
    @param votes As in `announce`.
    """
    assert self.announcements[program].ready != 0, "programs: not announced"
    number: uint256 = self.announcements[program].number
    self._authorize(program, policy, keccak256(abi_encode(WITHDRAWAL_TYPE, program, number)), votes)
    self.announcements[program] = empty(Announcement)
    log Withdrawn(program=program, number=number)


@external
def execute(program: bytes32) -> uint256:
    """
    @notice Appends the link at which an announced upgrade takes effect. Anybody may send it, for seven days from the end
        of the delay on.
    @param program The program.
    @return Index of the link.
    """
    waiting: Announcement = self.announcements[program]
    assert waiting.ready != 0, "programs: not announced"
    assert block.timestamp >= waiting.ready, "programs: early"
    assert block.timestamp < waiting.expires, "programs: expired"
    number: uint256 = self.upgrade_counts[program] + 1
    self.announcements[program] = empty(Announcement)
    payload: Bytes[128] = abi_encode(program, number, waiting.code_hash, waiting.fuel_limit)
    link: uint256 = extcall IInbox(INBOX).append_system(self.programs[program].cluster, KIND_UPGRADE, payload)
    self.upgrade_counts[program] = number
    self.upgrades[program][number] = Upgrade(code_hash=waiting.code_hash, link=link)
    log Upgraded(program=program, number=number, code_hash=waiting.code_hash, link=link)
    return link


@external
def publish_keys(
    cluster: bytes32, epoch: uint64, keys: DynArray[ProgramKey, MAX_KEYS], signatures: DynArray[Bytes[65], MAX_SIGNATURES]
):
    """
    @notice Records keys of a cluster's programs for its present epoch, each once; what is recorded already stays. Anybody
        may send it.
    @param cluster The cluster.
    @param epoch Its present epoch.
    @param keys 1 to 128 of them, each of a program of the cluster, or of the cluster itself (its code key).
    @param signatures At least a quorum of the cluster, ascending by signer, over the EIP-712 struct `ProgramKeys`.
    """
    terms: IClusters.Terms = staticcall IClusters(CLUSTERS).terms(cluster)
    number: uint256 = convert(epoch, uint256)
    assert terms.epoch != 0, "programs: cluster"
    assert number == terms.epoch, "programs: epoch"
    assert len(keys) != 0, "programs: no key"
    network: bytes32 = staticcall IGatekeeping(GATEKEEPING).genesis()
    digest: bytes32 = eip712.digest_of(
        keccak256(abi_encode(PROGRAM_KEYS_TYPE, network, cluster, epoch, keccak256(abi_encode(keys))))
    )
    signers: DynArray[bytes32, MAX_SIGNATURES] = staticcall IClusters(CLUSTERS).check_signatures(
        cluster, digest, signatures
    )
    assert len(signers) >= terms.quorum, "programs: quorum"
    for key: ProgramKey in keys:
        assert self._cluster_of(key.program) == cluster, "programs: program"
        assert key.kind == KIND_INPUT_KEY or key.kind == KIND_ACCOUNT_SIGNER, "programs: kind"
        assert key.key != empty(bytes32), "programs: key"
        if key.kind == KIND_ACCOUNT_SIGNER:
            assert key.program != cluster and convert(key.key, uint256) < 2**160, "programs: key"
            if self.account_signers[key.program][number] == empty(address):
                self.account_signers[key.program][number] = convert(convert(key.key, uint160), address)
                log AccountSignerPublished(
                    program=key.program, epoch=number, signer=self.account_signers[key.program][number]
                )
        elif self.input_keys[key.program][number] == empty(bytes32):
            self.input_keys[key.program][number] = key.key
            log InputKeyPublished(program=key.program, epoch=number, key=key.key)
    log KeysPublished(cluster=cluster, epoch=number, signers=signers)


@external
def dispute_input_key(program: bytes32, epoch: uint64, key: bytes32, signature: Bytes[65]):
    """
    @notice Warns that a member derives another key than the recorded one. Changes no state: clients refuse to seal to a
        disputed key.
    @param program The program, or the cluster's id.
    @param epoch The epoch of the recorded key.
    @param key The key that the member derives.
    @param signature The member's, over the EIP-712 struct `InputKey` with that key.
    """
    number: uint256 = convert(epoch, uint256)
    recorded: bytes32 = self.input_keys[program][number]
    assert recorded != empty(bytes32), "programs: no key"
    assert recorded != key, "programs: same key"
    signers: DynArray[bytes32, MAX_SIGNATURES] = self._check_input_key(
        self._cluster_of(program), program, epoch, key, [signature]
    )
    log InputKeyDisputed(program=program, epoch=number, worker=signers[0], recorded_key=recorded, derived_key=key)


@external
@view
def location(program: bytes32) -> IPrograms.Location:
    """
    @notice Where a program runs: all that Inbox needs, in two reads.
    @param program The program.
    @return Its cluster and its handle there; cluster zero where there is no such program.
    """
    return IPrograms.Location(cluster=self.programs[program].cluster, handle=self.programs[program].handle)


@internal
@view
def _is_waiting(program: bytes32) -> bool:
    return self.announcements[program].ready != 0 and block.timestamp < self.announcements[program].expires


@internal
@view
def _authorize(
    program: bytes32,
    policy: IPrograms.Policy,
    struct_hash: bytes32,
    votes: DynArray[Bytes[65], MAX_SIGNATURES],
):
    # PROTOCOL 12: what the program was made with decides, for ever. Digest zero is frozen, and no policy has it.
    digest: bytes32 = policies.digest_of(policy)
    assert digest != empty(bytes32) and digest == self.programs[program].policy, "programs: policy"
    if policy.kind == policies.TIMELOCK:
        assert msg.sender == self.programs[program].owner, "programs: owner"
    else:
        assert policies.are_votes(policy, eip712.digest_of(struct_hash), votes), "programs: votes"


@internal
@view
def _cluster_of(program: bytes32) -> bytes32:
    # What is no program is taken for a cluster's id; the caller checks that the cluster exists.
    cluster: bytes32 = self.programs[program].cluster
    return program if cluster == empty(bytes32) else cluster


@internal
@view
def _check_input_key(
    cluster: bytes32,
    program: bytes32,
    epoch: uint64,
    key: bytes32,
    signatures: DynArray[Bytes[65], MAX_SIGNATURES],
) -> DynArray[bytes32, MAX_SIGNATURES]:
    network: bytes32 = staticcall IGatekeeping(GATEKEEPING).genesis()
    struct_hash: bytes32 = keccak256(abi_encode(INPUT_KEY_TYPE, network, cluster, program, epoch, key))
    return staticcall IClusters(CLUSTERS).check_signatures(cluster, eip712.digest_of(struct_hash), signatures)
