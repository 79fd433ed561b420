# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Gatekeeping: the committee, its key ceremonies and its master key
@license Apache-2.0
@notice The deployer names the first committee once, with a signature of each member. Later ones are announced by the
    proposer, or by a member where the list stays; nothing comes of it unless the threshold of present members agree to
    begin, and agree again that the next committee holds the same key (PROTOCOL 9.4, 9.5). Ceremony messages ride in
    events and are folded into a hash chain, so that enclaves know that they judge on the one transcript there is. The
    master public key is recorded once, when the threshold of members that hold shares have signed it together with all share keys
    (PROTOCOL 9.1, 9.3). A guardian may end a member, never so many that fewer than the threshold hold shares (PROTOCOL
    1.4): its signature counts nowhere any more. What members' evidence showed is published for auditors; endpoints are
    hints.
@dev Enclaves prove every variable up to `revoked` by storage proofs: one slot per field, nothing packed.
    Transcript: head' = keccak256(abi.encode(session, head, member, kind, block number, keccak256(data))), from zero.
    Reverts: "gatekeeping: deployer", "gatekeeping: initialized", "gatekeeping: genesis", "gatekeeping: threshold",
    "gatekeeping: member zero", "gatekeeping: member twice", "gatekeeping: not a member", "gatekeeping: session",
    "gatekeeping: kind", "gatekeeping: spoken", "gatekeeping: open", "gatekeeping: completed",
    "gatekeeping: master key", "gatekeeping: share keys", "gatekeeping: no share", "gatekeeping: signatures",
    "gatekeeping: signature", "gatekeeping: signer", "gatekeeping: order", "gatekeeping: phase",
    "gatekeeping: proposer", "gatekeeping: no key", "gatekeeping: announced", "gatekeeping: no list",
    "gatekeeping: no handover", "gatekeeping: guardian", "gatekeeping: revoked", "gatekeeping: operator".
"""

from . import IGatekeeping
from ..shared import eip712
from ..shared import signatures as signing

implements: IGatekeeping

MAX_MEMBERS: constant(uint256) = 32
MAX_MESSAGE: constant(uint256) = 65536  # bytes of one ceremony message
KEY_LENGTH: constant(uint256) = 96  # a compressed point of BLS12-381 G2
MAX_KEY_WORDS: constant(uint256) = 96  # three words for each of 32 share keys
MAX_KINDS: constant(uint8) = 8  # kinds of messages; a member says each once in a session
MAX_EVIDENCE: constant(uint256) = 24576  # bytes of a quote with its collateral
PHASES: constant(uint256) = 5  # announce, reveal, complain, outcome, and time for its signatures
GENESIS_TYPE: constant(bytes32) = keccak256("Genesis(bytes32 genesis,uint256 threshold,bytes32 membersHash)")
HANDOVER_TYPE: constant(bytes32) = keccak256("Handover(bytes32 session)")
MASTER_KEY_TYPE: constant(bytes32) = keccak256(
    "MasterKey(bytes32 session,bytes32 masterKeyHash,bytes32 shareKeysHash)"
)

event Initialized:
    genesis: indexed(bytes32)
    threshold: uint256
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS]

event Proposed:
    committee: indexed(uint256)
    threshold: uint256
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS]

event Opened:
    session: indexed(bytes32)

event Transcript:
    session: indexed(bytes32)
    member: indexed(uint256)
    kind: uint8
    data: Bytes[MAX_MESSAGE]

event Completed:
    genesis: indexed(bytes32)
    master_key: Bytes[KEY_LENGTH]
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]

event EvidencePublished:
    signer: indexed(address)
    claims: IGatekeeping.Claims
    evidence: Bytes[MAX_EVIDENCE]

event EndpointSet:
    signer: indexed(address)
    endpoint: String[256]

event Revoked:
    committee: indexed(uint256)
    member: indexed(uint256)
    signer: indexed(address)

DEPLOYER: public(immutable(address))
PROPOSER: public(immutable(address))
GUARDIAN: public(immutable(address))
PHASE_BLOCKS: public(immutable(uint256))  # so that the code hash pins it; `phase_blocks` is its provable copy

# @notice The genesis digest that names the network; zero before `initialize`.
genesis: public(bytes32)
# @notice How many members must act together.
threshold: public(uint256)
# @notice How many members there are.
member_count: public(uint256)
# @notice Keccak-256 of the 96 bytes of the master public key; zero before `complete`.
master_key_hash: public(bytes32)
# @notice The members, by index from 0.
members: public(HashMap[uint256, IGatekeeping.Member])
# @notice The key ceremony that is under way, or was the last: the genesis digest, or after a failure its hash.
session: public(bytes32)
# @notice The block in which that ceremony began.
opened: public(uint256)
# @notice Blocks after which a phase of a ceremony ends, whoever has not spoken by then.
phase_blocks: public(uint256)
# @notice The hash chain over a ceremony's messages.
transcript_heads: public(HashMap[bytes32, bytes32])
# @notice How many messages a ceremony has.
transcript_counts: public(HashMap[bytes32, uint256])
# @notice How many committees have held the master key; zero before `complete`.
committee: public(uint256)
# @notice Keccak-256 of the present members' share public keys, joined.
share_keys_hash: public(bytes32)
# @notice Threshold of the next committee, where one is announced.
next_threshold: public(uint256)
# @notice Number of its members; zero where none is announced.
next_count: public(uint256)
# @notice When it was announced, in seconds since 1970.
next_announced: public(uint256)
# @notice Its members, by index from 0.
next_members: public(HashMap[uint256, IGatekeeping.Member])
# @notice Whether the ceremony under way hands the key over to the next committee.
is_handover: public(bool)
# @notice By signing key: the block in which the guardian ended that member; zero for others.
revoked: public(HashMap[address, uint256])
# @notice By signing key: where the member can be reached, as its operator says.
endpoints: public(HashMap[address, String[256]])
# bit i: the present member i holds a share
holders: uint256
# index + 1 of the member with this signing key
number_of: HashMap[address, uint256]
# session -> member -> kind -> whether the member has said that
spoken: HashMap[bytes32, HashMap[uint256, HashMap[uint8, bool]]]


@deploy
def __init__(deployer: address, proposer: address, guardian: address, phase_blocks: uint256):
    """
    @param deployer Who may call `initialize`, once.
    @param proposer Who may announce another committee.
    @param guardian Who may revoke: one account, or a contract in which any one of several may act.
    @param phase_blocks Blocks after which a phase of a ceremony ends.
    """
    assert phase_blocks > 0, "gatekeeping: phase"
    DEPLOYER = deployer
    PROPOSER = proposer
    GUARDIAN = guardian
    PHASE_BLOCKS = phase_blocks
    self.phase_blocks = phase_blocks


@external
def initialize(
    threshold: uint256,
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS],
    genesis_digest: bytes32,
    signatures: DynArray[Bytes[65], MAX_MEMBERS],
):
    """
    @notice Names the network and its first committee, for good, and opens the key ceremony.
    @param threshold t: members that must act together; 1 <= t and n >= 2t - 1 (PROTOCOL 9.2).
    @param members n members with distinct signing and sealing keys. One operator may run several; that is for the
        network's policy to refuse.
    @param genesis_digest The network's identity (PROTOCOL 1.1).
    @param signatures One of each member, in order, over the EIP-712 struct `Genesis`: it has verified the evidence of
        all others (PROTOCOL 9.1).
    """
    assert msg.sender == DEPLOYER, "gatekeeping: deployer"
    assert self.genesis == empty(bytes32), "gatekeeping: initialized"
    assert genesis_digest != empty(bytes32), "gatekeeping: genesis"
    self._check_list(threshold, members)
    self.genesis = genesis_digest
    self._seat(threshold, members)
    struct_hash: bytes32 = keccak256(
        abi_encode(GENESIS_TYPE, genesis_digest, threshold, keccak256(abi_encode(members)))
    )
    assert len(signatures) == len(members), "gatekeeping: signatures"
    self._check_signatures(eip712.digest_of(struct_hash), signatures)
    log Initialized(genesis=genesis_digest, threshold=threshold, members=members)
    self._open(genesis_digest)


@external
def reopen():
    """
    @notice Begins the key ceremony anew under another session, where it has found no outcome in the time of all its
        phases. Any member may.
    """
    self._check_no_outcome()
    self._check_member(msg.sender)
    self._check_not_open()
    self._open(keccak256(self.session))


@external
def post(session: bytes32, member: uint256, kind: uint8, data: Bytes[MAX_MESSAGE]):
    """
    @notice Publishes a message of the key ceremony that is under way. Whether it is one, whether it comes in time, and
        whether the member's enclave made it, the other enclaves judge.
    @param session The ceremony's.
    @param member Index of the member that speaks, the next committee's after the present one's; the sender must be its
        signing key or its operator.
    @param kind What the message is, 0 to 7; the ceremony gives it meaning. A member says each once.
    @param data The message, at most 65,536 bytes.
    """
    speaker: IGatekeeping.Member = self._speaker(member)
    assert msg.sender == speaker.signer or msg.sender == speaker.operator, "gatekeeping: not a member"
    assert session == self.session, "gatekeeping: session"
    assert kind < MAX_KINDS, "gatekeeping: kind"
    assert not self.spoken[session][member][kind], "gatekeeping: spoken"
    self.spoken[session][member][kind] = True
    self.transcript_heads[session] = keccak256(
        abi_encode(session, self.transcript_heads[session], member, kind, block.number, keccak256(data))
    )
    self.transcript_counts[session] += 1
    log Transcript(session=session, member=member, kind=kind, data=data)


@external
def complete(
    master_key: Bytes[KEY_LENGTH],
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS],
    signatures: DynArray[Bytes[65], MAX_MEMBERS],
):
    """
    @notice Records the outcome of the first ceremony. Anybody may send it. Every honest member comes to the same
        outcome, and fewer than the threshold are not, so the threshold of signatures suffices.
    @param master_key The master public key, 96 bytes.
    @param share_keys The members' share public keys, 96 bytes each, in member order; zero for a member that the
        ceremony left without a share.
    @param signatures Of at least the threshold of members with shares, in member order, over the EIP-712 struct
        `MasterKey`.
    """
    self._check_no_outcome()
    assert len(master_key) == KEY_LENGTH, "gatekeeping: master key"
    assert len(share_keys) == self.member_count, "gatekeeping: share keys"
    assert len(signatures) >= self.threshold, "gatekeeping: signatures"
    master_key_hash: bytes32 = keccak256(master_key)
    struct_hash: bytes32 = keccak256(
        abi_encode(MASTER_KEY_TYPE, self.session, master_key_hash, self._hash_keys(share_keys))
    )
    signers: DynArray[uint256, MAX_MEMBERS] = self._check_signatures(eip712.digest_of(struct_hash), signatures)
    for index: uint256 in signers:
        assert extract32(share_keys[index], 0) != empty(bytes32), "gatekeeping: no share"
    self.master_key_hash = master_key_hash
    self.share_keys_hash = self._hash_keys(share_keys)
    self.holders = self._holders(share_keys)
    self.committee = 1
    log Completed(genesis=self.genesis, master_key=master_key, share_keys=share_keys)


@external
def propose(threshold: uint256, members: DynArray[IGatekeeping.Member, MAX_MEMBERS]):
    """
    @notice Announces the next committee; a list that was announced before is forgotten. Gatekeepers begin only when it
        has been final for the network's delay, and when each has verified the evidence of each new member (PROTOCOL
        9.4).
    @param threshold t of the next committee.
    @param members Its members; present ones may stay.
    """
    assert msg.sender == PROPOSER, "gatekeeping: proposer"
    self._check_list(threshold, members)
    self._propose(threshold, members)


@external
def propose_refresh():
    """
    @notice Announces the present list as the next one, for new shares of the same key (PROTOCOL 9.5). A revoked member
        keeps its place, so that n >= 2t - 1 holds, but gets no share. Any member may.
    """
    self._check_member(msg.sender)
    assert self.next_count == 0, "gatekeeping: announced"
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS] = []
    for index: uint256 in range(self.member_count, bound=MAX_MEMBERS):
        members.append(self.members[index])
    self._propose(self.threshold, members)


@external
def begin_handover(signatures: DynArray[Bytes[65], MAX_MEMBERS]):
    """
    @notice Opens the ceremony that hands the key over to the announced committee. Anybody may send it.
    @param signatures Of at least the threshold of present members, in order, over the EIP-712 struct `Handover` with
        the session that `next_session` tells.
    """
    assert self.next_count > 0, "gatekeeping: no list"
    if self.is_handover:
        self._check_not_open()
    session: bytes32 = self._next_session()
    digest: bytes32 = eip712.digest_of(keccak256(abi_encode(HANDOVER_TYPE, session)))
    assert len(self._check_signatures(digest, signatures)) >= self.threshold, "gatekeeping: signatures"
    self.is_handover = True
    self._open(session)


@external
def hand_over(
    master_key: Bytes[KEY_LENGTH],
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS],
    old_signatures: DynArray[Bytes[65], MAX_MEMBERS],
    new_signatures: DynArray[Bytes[65], MAX_MEMBERS],
):
    """
    @notice Ends a handover: from now on the next committee is the present one. Anybody may send it.
    @param master_key The master public key, which stays.
    @param share_keys The next members' share public keys, as in `complete`.
    @param old_signatures Of at least the threshold of present members, in order, over the EIP-712 struct `MasterKey`:
        they have seen a signature of the next committee.
    @param new_signatures Of at least the next threshold of next members with shares, in order, over the same.
    """
    assert self.is_handover, "gatekeeping: no handover"
    assert keccak256(master_key) == self.master_key_hash, "gatekeeping: master key"
    assert len(share_keys) == self.next_count, "gatekeeping: share keys"
    share_keys_hash: bytes32 = self._hash_keys(share_keys)
    digest: bytes32 = eip712.digest_of(
        keccak256(abi_encode(MASTER_KEY_TYPE, self.session, self.master_key_hash, share_keys_hash))
    )
    assert len(self._check_signatures(digest, old_signatures)) >= self.threshold, "gatekeeping: signatures"
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS] = self._next_list()
    self._unseat()
    self._seat(self.next_threshold, members)
    signers: DynArray[uint256, MAX_MEMBERS] = self._check_signatures(digest, new_signatures)
    assert len(signers) >= self.threshold, "gatekeeping: signatures"
    for index: uint256 in signers:
        assert extract32(share_keys[index], 0) != empty(bytes32), "gatekeeping: no share"
    self.share_keys_hash = share_keys_hash
    self.holders = self._holders(share_keys)
    self.committee += 1
    self.next_count = 0
    self.is_handover = False
    log Completed(genesis=self.genesis, master_key=master_key, share_keys=share_keys)


@external
def revoke(signer: address):
    """
    @notice Ends a present member for good. A handover under way ends with it, and begins again under another session;
        an announced list that names the member is forgotten. A key is named, not an index: an index may come to mean
        another member before this is mined.
    @param signer The member's signing key. At least the threshold of members that hold shares must remain.
    """
    assert msg.sender == GUARDIAN, "gatekeeping: guardian"
    assert self.committee > 0, "gatekeeping: no key"
    number: uint256 = self.number_of[signer]
    assert number != 0, "gatekeeping: not a member"
    assert self.revoked[signer] == 0, "gatekeeping: revoked"
    self.revoked[signer] = block.number
    able: uint256 = 0
    for index: uint256 in range(self.member_count, bound=MAX_MEMBERS):
        if self.revoked[self.members[index].signer] == 0:
            able += (self.holders >> index) & 1
    assert able >= self.threshold, "gatekeeping: threshold"
    self.is_handover = False
    for index: uint256 in range(self.next_count, bound=MAX_MEMBERS):
        if self.next_members[index].signer == signer:
            self.next_count = 0
            break
    log Revoked(committee=self.committee, member=number - 1, signer=signer)


@external
def set_endpoint(signer: address, endpoint: String[256]):
    """
    @notice Says where a member, present or announced, can be reached. A hint: peers authenticate whom they reach.
    @param signer The member's signing key; sent by that member's operator.
    @param endpoint At most 256 bytes.
    """
    assert msg.sender == self._operator_of(signer), "gatekeeping: operator"
    self.endpoints[signer] = endpoint
    log EndpointSet(signer=signer, endpoint=endpoint)


@external
def publish_evidence(signer: address, claims: IGatekeeping.Claims, evidence: Bytes[MAX_EVIDENCE]):
    """
    @notice Publishes what a member's evidence was, so that anybody can verify it again. The contract does not read it:
        auditors compare it with the `evidence_digest` of the list.
    @param signer The signing key of a member, present or announced; sent by its operator or, for an announced member, by
        the proposer.
    @param claims What the evidence's report data binds beside the list and the configuration.
    @param evidence The evidence, at most 24,576 bytes.
    """
    operator: address = self._operator_of(signer)
    assert operator != empty(address), "gatekeeping: not a member"
    assert msg.sender == operator or msg.sender == PROPOSER, "gatekeeping: operator"
    log EvidencePublished(signer=signer, claims=claims, evidence=evidence)


@external
@view
def next_session() -> bytes32:
    """
    @notice The session under which a handover to the announced committee would begin now; no two are alike.
    """
    return self._next_session()


@external
@view
def check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_MEMBERS]) -> DynArray[uint256, MAX_MEMBERS]:
    """
    @notice Which members signed; the caller compares their number with `threshold`.
    @param digest What was signed.
    @param signatures In strictly ascending order of the members' indices, so that none counts twice.
    @return The indices of the members that signed, as many as there are signatures.
    """
    return self._check_signatures(digest, signatures)


@external
@view
def is_gatekeeper(account: address) -> bool:
    """
    @notice Whether an account is the signing key of a member that is not revoked.
    @param account Any address.
    @return True for such a key.
    """
    return self.number_of[account] != 0 and self.revoked[account] == 0


@internal
@view
def _check_list(threshold: uint256, members: DynArray[IGatekeeping.Member, MAX_MEMBERS]):
    assert threshold >= 1 and threshold <= len(members), "gatekeeping: threshold"
    assert len(members) + 1 >= 2 * threshold, "gatekeeping: threshold"
    for i: uint256 in range(len(members), bound=MAX_MEMBERS):
        member: IGatekeeping.Member = members[i]
        assert member.operator != empty(address), "gatekeeping: member zero"
        assert member.signer != empty(address), "gatekeeping: member zero"
        assert member.sealing_key != empty(bytes32), "gatekeeping: member zero"
        assert member.evidence_digest != empty(bytes32), "gatekeeping: member zero"
        assert self.revoked[member.signer] == 0, "gatekeeping: revoked"
        for earlier: uint256 in range(i, bound=MAX_MEMBERS):
            assert members[earlier].signer != member.signer, "gatekeeping: member twice"
            assert members[earlier].sealing_key != member.sealing_key, "gatekeeping: member twice"


@internal
def _seat(threshold: uint256, members: DynArray[IGatekeeping.Member, MAX_MEMBERS]):
    self.threshold = threshold
    self.member_count = len(members)
    for i: uint256 in range(len(members), bound=MAX_MEMBERS):
        self.members[i] = members[i]
        self.number_of[members[i].signer] = i + 1


@internal
def _unseat():
    for i: uint256 in range(self.member_count, bound=MAX_MEMBERS):
        self.number_of[self.members[i].signer] = 0
        self.members[i] = empty(IGatekeeping.Member)


@internal
def _propose(threshold: uint256, members: DynArray[IGatekeeping.Member, MAX_MEMBERS]):
    assert self.committee > 0, "gatekeeping: no key"
    if self.is_handover:
        self._check_not_open()
    for i: uint256 in range(len(members), bound=MAX_MEMBERS):
        self.next_members[i] = members[i]
    self.next_threshold = threshold
    self.next_count = len(members)
    self.next_announced = block.timestamp
    self.is_handover = False
    log Proposed(committee=self.committee + 1, threshold=threshold, members=members)


@internal
@view
def _next_list() -> DynArray[IGatekeeping.Member, MAX_MEMBERS]:
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS] = []
    for index: uint256 in range(self.next_count, bound=MAX_MEMBERS):
        members.append(self.next_members[index])
    return members


@internal
@view
def _next_session() -> bytes32:
    members_hash: bytes32 = keccak256(abi_encode(self._next_list()))
    return keccak256(abi_encode(self.session, self.committee, self.next_threshold, self.next_announced, members_hash))


@internal
@view
def _operator_of(signer: address) -> address:
    # Of a present member, or else of an announced one; zero for other keys.
    number: uint256 = self.number_of[signer]
    if number != 0:
        return self.members[number - 1].operator
    for index: uint256 in range(self.next_count, bound=MAX_MEMBERS):
        if self.next_members[index].signer == signer:
            return self.next_members[index].operator
    return empty(address)


@internal
@view
def _speaker(member: uint256) -> IGatekeeping.Member:
    speaker: IGatekeeping.Member = empty(IGatekeeping.Member)
    if member < self.member_count:
        speaker = self.members[member]
    else:
        assert self.is_handover and member - self.member_count < self.next_count, "gatekeeping: not a member"
        speaker = self.next_members[member - self.member_count]
    assert self.revoked[speaker.signer] == 0, "gatekeeping: revoked"
    return speaker


@internal
@view
def _check_member(account: address):
    is_member: bool = False
    for index: uint256 in range(self.member_count, bound=MAX_MEMBERS):
        member: IGatekeeping.Member = self.members[index]
        if (member.operator == account or member.signer == account) and self.revoked[member.signer] == 0:
            is_member = True
    assert is_member, "gatekeeping: not a member"


@internal
@view
def _check_not_open():
    assert block.number > self.opened + PHASES * PHASE_BLOCKS, "gatekeeping: open"


@internal
def _open(session: bytes32):
    self.session = session
    self.opened = block.number
    log Opened(session=session)


@internal
@view
def _check_no_outcome():
    assert self.genesis != empty(bytes32), "gatekeeping: genesis"
    assert self.master_key_hash == empty(bytes32), "gatekeeping: completed"


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_MEMBERS]) -> DynArray[uint256, MAX_MEMBERS]:
    indices: DynArray[uint256, MAX_MEMBERS] = []
    last: uint256 = 0
    for signature: Bytes[65] in signatures:
        signer: address = signing.recover(digest, signature)
        assert signer != empty(address), "gatekeeping: signature"
        number: uint256 = self.number_of[signer]
        assert number != 0, "gatekeeping: signer"
        assert self.revoked[signer] == 0, "gatekeeping: revoked"
        assert number > last, "gatekeeping: order"
        indices.append(number - 1)
        last = number
    return indices


@internal
@pure
def _holders(share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]) -> uint256:
    # A bit for each member with a share; the keys' lengths are checked.
    holders: uint256 = 0
    for index: uint256 in range(len(share_keys), bound=MAX_MEMBERS):
        if extract32(share_keys[index], 0) != empty(bytes32):
            holders |= 1 << index
    return holders


@internal
@pure
def _hash_keys(keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]) -> bytes32:
    # Keccak-256 of all keys one after the other: the encoding of a dynamic array is offset, length, then its words.
    words: DynArray[bytes32, MAX_KEY_WORDS] = []
    for key: Bytes[KEY_LENGTH] in keys:
        assert len(key) == KEY_LENGTH, "gatekeeping: share keys"
        words.append(extract32(key, 0))
        words.append(extract32(key, 32))
        words.append(extract32(key, 64))
    return keccak256(slice(abi_encode(words), 64, 32 * len(words)))
