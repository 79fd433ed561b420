# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Gatekeeping: the first committee, its key ceremony and its master key
@license Apache-2.0
@notice The deployer names the committee once, with a signature of each member; from then on nobody has any power over
    it. Ceremony messages ride in events and are folded into a hash chain, so that enclaves know that they judge on the one
    transcript there is. The master public key is recorded once, when the threshold of members that hold shares have signed
    it together with all share keys (PROTOCOL 9.1, 9.3).
@dev Enclaves prove every variable up to `transcript_counts` by storage proofs: one slot per field, nothing packed.
    Transcript: head' = keccak256(abi.encode(session, head, member, kind, block number, keccak256(data))), from zero.
    Reverts: "gatekeeping: deployer", "gatekeeping: initialized", "gatekeeping: genesis", "gatekeeping: threshold",
    "gatekeeping: member zero", "gatekeeping: member twice", "gatekeeping: not a member", "gatekeeping: session",
    "gatekeeping: kind", "gatekeeping: spoken", "gatekeeping: open", "gatekeeping: completed", "gatekeeping: master key",
    "gatekeeping: share keys", "gatekeeping: no share", "gatekeeping: signatures", "gatekeeping: signature",
    "gatekeeping: signer", "gatekeeping: order", "gatekeeping: phase".
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
PHASES: constant(uint256) = 4  # announce, reveal, complain, outcome
GENESIS_TYPE: constant(bytes32) = keccak256("Genesis(bytes32 genesis,uint256 threshold,bytes32 membersHash)")
MASTER_KEY_TYPE: constant(bytes32) = keccak256(
    "MasterKey(bytes32 session,bytes32 masterKeyHash,bytes32 shareKeysHash)"
)

event Initialized:
    genesis: indexed(bytes32)
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

DEPLOYER: public(immutable(address))
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
# index + 1 of the member with this signing key
number_of: HashMap[address, uint256]
# session -> member -> kind -> whether the member has said that
spoken: HashMap[bytes32, HashMap[uint256, HashMap[uint8, bool]]]


@deploy
def __init__(deployer: address, phase_blocks: uint256):
    """
    @param deployer Who may call `initialize`, once.
    @param phase_blocks Blocks after which a phase of a ceremony ends.
    """
    assert phase_blocks > 0, "gatekeeping: phase"
    DEPLOYER = deployer
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
    assert threshold >= 1 and threshold <= len(members), "gatekeeping: threshold"
    assert len(members) + 1 >= 2 * threshold, "gatekeeping: threshold"
    for i: uint256 in range(len(members), bound=MAX_MEMBERS):
        member: IGatekeeping.Member = members[i]
        assert member.operator != empty(address), "gatekeeping: member zero"
        assert member.signer != empty(address), "gatekeeping: member zero"
        assert member.sealing_key != empty(bytes32), "gatekeeping: member zero"
        assert member.evidence_digest != empty(bytes32), "gatekeeping: member zero"
        assert self.number_of[member.signer] == 0, "gatekeeping: member twice"
        for earlier: uint256 in range(i, bound=MAX_MEMBERS):
            assert members[earlier].sealing_key != member.sealing_key, "gatekeeping: member twice"
        self.number_of[member.signer] = i + 1
        self.members[i] = member
    self.genesis = genesis_digest
    self.threshold = threshold
    self.member_count = len(members)
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
    is_member: bool = self.number_of[msg.sender] != 0
    for index: uint256 in range(self.member_count, bound=MAX_MEMBERS):
        if self.members[index].operator == msg.sender:
            is_member = True
    assert is_member, "gatekeeping: not a member"
    assert block.number > self.opened + PHASES * PHASE_BLOCKS, "gatekeeping: open"
    self._open(keccak256(self.session))


@external
def post(session: bytes32, member: uint256, kind: uint8, data: Bytes[MAX_MESSAGE]):
    """
    @notice Publishes a message of the key ceremony that is under way. Whether it is one, whether it comes in time, and
        whether the member's enclave made it, the other enclaves judge.
    @param session The ceremony's.
    @param member Index of the member that speaks; the sender must be its signing key or its operator.
    @param kind What the message is, 0 to 7; the ceremony gives it meaning. A member says each once.
    @param data The message, at most 65,536 bytes.
    """
    assert member < self.member_count, "gatekeeping: not a member"
    speaker: IGatekeeping.Member = self.members[member]
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
    @param share_keys The members' share public keys, 96 bytes each, in member order; zero for a member that the ceremony
        left without a share.
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
    log Completed(genesis=self.genesis, master_key=master_key, share_keys=share_keys)


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
    @notice Whether an account is the signing key of a member.
    @param account Any address.
    @return True for a member's signing key.
    """
    return self.number_of[account] != 0


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
        assert number > last, "gatekeeping: order"
        indices.append(number - 1)
        last = number
    return indices


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
