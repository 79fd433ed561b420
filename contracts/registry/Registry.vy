# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Registry: which enclaves a network has admitted, and under which keys
@license Apache-2.0
@notice Gatekeepers verify an enclave's evidence and sign an `Admission`; its operator brings it here. A worker is an
    operator's platform and has one live signing key: a new admission replaces the old key in the same transaction
    (PROTOCOL 7.6). A guardian may only revoke, distrust what turned out bad, and pause admission, and never revoke so
    many gatekeepers that fewer than the threshold remain (PROTOCOL 1.4). Who sits in the committee, `Gatekeeping` says:
    nothing here unseats a member.
    What the genesis lists has version 1; the proposer announces later measurements with higher ones, and the least
    version, the least evaluation number and the pinned collateral only ever narrow what is admitted.
@dev Enclaves prove `configuration`, `workers`, `worker_of` and everything of the policy by storage proofs: one slot per
    field, nothing packed.
    Reverts: "registry: deployer", "registry: configuration set", "registry: operator", "registry: role",
    "registry: member zero", "registry: configuration", "registry: block", "registry: expired", "registry: signatures",
    "registry: revoked", "registry: signer", "registry: worker", "registry: guardian", "registry: threshold",
    "registry: settlement", "registry: distrusted", "registry: paused", "registry: subject", "registry: proposer",
    "registry: delay", "registry: measurement", "registry: announced", "registry: version", "registry: evaluation",
    "registry: policy", and those of `Gatekeeping.check_signatures`.
"""

from . import IRegistry
from ..gatekeeping import IGatekeeping
from ..shared import eip712

implements: IRegistry

ROLE_WORKER: constant(uint8) = 1
ROLE_GATEKEEPER: constant(uint8) = 2
MAX_EVIDENCE: constant(uint256) = 24576  # bytes of a quote with its collateral
MAX_GATEKEEPERS: constant(uint256) = 32
MAX_BLOCK_AGE: constant(uint256) = 256  # blocks whose hash the chain can tell
PAUSE: constant(uint256) = 3 * 86400  # seconds for which one call pauses admission
PINNED: constant(uint256) = 7 * 86400  # seconds for which pins hold: older collateral is refused anyway
MAX_PINS: constant(uint256) = 64
EVALUATION_STEP: constant(uint256) = 32  # vendors' numbers grow by a few a year: a slip of the pen is refused
GENESIS_VERSION: constant(uint256) = 1
ADMISSION_TYPE: constant(bytes32) = keccak256(
    "Admission(address operator,bytes32 platform,uint8 role,address signer,bytes32 sealing_key,bytes32 evidence_digest,bytes32 measurement,bytes32 root,uint8 level,bool simulated,bytes32 configuration,uint64 block_number,bytes32 block_hash,uint64 expires)"
)

# @notice What gatekeepers say of an enclave. `expires` is in seconds since 1970, `level` a confidence from 1 (best) to 5.
struct Admission:
    operator: address
    platform: bytes32
    role: uint8
    signer: address
    sealing_key: bytes32
    evidence_digest: bytes32
    measurement: bytes32
    root: bytes32
    level: uint8
    simulated: bool
    configuration: bytes32
    block_number: uint64
    block_hash: bytes32
    expires: uint64

# @notice A measurement that the proposer announced, and when, in seconds since 1970.
struct Announced:
    version: uint256
    since: uint256

event Configured:
    configuration: indexed(bytes32)

event Admitted:
    worker: indexed(bytes32)
    operator: indexed(address)
    signer: indexed(address)
    admission: Admission
    evidence: Bytes[MAX_EVIDENCE]

event EndpointSet:
    worker: indexed(bytes32)
    endpoint: String[256]

event Revoked:
    worker: indexed(bytes32)
    signer: indexed(address)
    equivocation: bool

event Distrusted:
    subject: indexed(bytes32)
    until: uint256

event AdmissionPaused:
    until: uint256

event MeasurementAnnounced:
    measurement: indexed(bytes32)
    version: uint256
    counts_from: uint256

event MinimumVersionRaised:
    version: uint256
    sender: address

event MinimumEvaluationRaised:
    number: uint256
    sender: address

event CollateralPinned:
    refresh: indexed(uint256)
    digests: DynArray[bytes32, MAX_PINS]
    until: uint256

GATEKEEPING: public(immutable(address))
GUARDIAN: public(immutable(address))
PROPOSER: public(immutable(address))
DELAY: public(immutable(uint256))  # seconds; in the code, so that the code hash pins it
SETTLEMENT: public(immutable(address))
DEPLOYER: public(immutable(address))

# @notice Hash of the one configuration that this network accepts (PROTOCOL 1.2); zero before `set_configuration`.
configuration: public(bytes32)
# @notice The admitted enclaves, by worker id.
workers: public(HashMap[bytes32, IRegistry.Worker])
# @notice The worker whose live signing key this is; zero for any other address.
worker_of: public(HashMap[address, bytes32])
# @notice The worker that a signing key serves or ever served, so that no key serves two and none comes back.
bound_worker: public(HashMap[address, bytes32])
# @notice Where a worker can be reached, as its operator says.
endpoints: public(HashMap[bytes32, String[256]])
# @notice Admitted gatekeepers that are not revoked.
gatekeeper_count: public(uint256)
# @notice By vendor root, measurement or platform: until when it is distrusted, in seconds since 1970; 0 if it never was.
distrusted: public(HashMap[bytes32, uint256])
# @notice Until when only live keys are admitted again, in seconds since 1970.
paused_until: public(uint256)
# @notice Whether anything was ever distrusted: spares everybody three reads until then.
has_distrusted: public(bool)
# @notice Measurements that were announced after the genesis.
measurements: public(HashMap[bytes32, Announced])
# @notice Enclaves of lower versions are admitted no more, and get no keys; what the genesis lists has version 1.
minimum_version: public(uint256)
# @notice Least TCB evaluation number of Intel's collateral, beside the genesis' own.
minimum_evaluation: public(uint256)
# @notice Until when only the collateral of the newest refresh counts, in seconds since 1970.
pinned_until: public(uint256)
# @notice How many times collateral was pinned.
refresh: public(uint256)
# @notice By refresh and digest of collateral: whether it is pinned.
pins: public(HashMap[uint256, HashMap[bytes32, bool]])
# @notice Provable copy of `DELAY`.
delay: public(uint256)


@deploy
def __init__(
    gatekeeping: address, guardian: address, settlement: address, deployer: address, proposer: address, delay: uint256
):
    """
    @param gatekeeping Whose members admit.
    @param guardian Who may revoke, distrust and pause: one account, or a contract in which any one of several may act.
    @param settlement Who may revoke for proven equivocation.
    @param deployer Who may set the configuration, once.
    @param proposer Who may announce measurements, narrow the policy, and have what was distrusted trusted again, after
        twice the delay.
    @param delay Seconds between an announcement and its effect; 7 days outside development (PROTOCOL 1.4).
    """
    assert delay > 0, "registry: delay"
    GATEKEEPING = gatekeeping
    GUARDIAN = guardian
    PROPOSER = proposer
    DELAY = delay
    self.delay = delay
    SETTLEMENT = settlement
    DEPLOYER = deployer


@external
def set_configuration(configuration: bytes32):
    """
    @notice Fixes the configuration of the network, for good.
    @param configuration Hash of the canonical configuration.
    """
    assert msg.sender == DEPLOYER, "registry: deployer"
    assert self.configuration == empty(bytes32), "registry: configuration set"
    assert configuration != empty(bytes32), "registry: configuration"
    self.configuration = configuration
    log Configured(configuration=configuration)


@external
def admit(
    admission: Admission, evidence: Bytes[MAX_EVIDENCE], signatures: DynArray[Bytes[65], MAX_GATEKEEPERS]
) -> bytes32:
    """
    @notice Admits an enclave, or replaces the keys of an admitted one.
    @param admission What the gatekeepers signed. Only its operator may send it.
    @param evidence The evidence they verified, published so that anybody can verify it again; the contract does not read it.
    @param signatures At least the threshold of gatekeepers, in member order, over the EIP-712 struct `Admission`.
    @return The worker's id.
    """
    self._check_admission(admission)
    self._check_policy(admission)
    digest: bytes32 = eip712.digest_of(keccak256(abi_encode(ADMISSION_TYPE, admission)))
    signers: DynArray[uint256, MAX_GATEKEEPERS] = staticcall IGatekeeping(GATEKEEPING).check_signatures(
        digest, signatures
    )
    assert len(signers) >= staticcall IGatekeeping(GATEKEEPING).threshold(), "registry: signatures"

    worker: bytes32 = self._worker_id(admission.operator, admission.platform)
    self._bind(worker, admission)
    self.workers[worker] = IRegistry.Worker(
        operator=admission.operator,
        platform=admission.platform,
        role=admission.role,
        signer=admission.signer,
        sealing_key=admission.sealing_key,
        evidence_digest=admission.evidence_digest,
        measurement=admission.measurement,
        level=admission.level,
        simulated=admission.simulated,
        admitted_block=convert(block.number, uint64),
        expires=admission.expires,
        revoked=False,
        root=admission.root,
    )
    log Admitted(
        worker=worker, operator=admission.operator, signer=admission.signer, admission=admission, evidence=evidence
    )
    return worker


@external
def set_endpoint(worker: bytes32, endpoint: String[256]):
    """
    @notice Says where a worker can be reached. A hint: peers authenticate whom they reach.
    @param worker The worker's id.
    @param endpoint At most 256 bytes.
    """
    assert self.workers[worker].operator != empty(address), "registry: worker"
    assert msg.sender == self.workers[worker].operator, "registry: operator"
    self.endpoints[worker] = endpoint
    log EndpointSet(worker=worker, endpoint=endpoint)


@external
def revoke(worker: bytes32):
    """
    @notice Ends a worker for good: its platform is not admitted again under this operator.
    @param worker The worker's id.
    """
    assert msg.sender == GUARDIAN, "registry: guardian"
    if self.workers[worker].role == ROLE_GATEKEEPER:
        threshold: uint256 = staticcall IGatekeeping(GATEKEEPING).threshold()
        assert self.gatekeeper_count > threshold, "registry: threshold"
    self._revoke(worker, False)


@external
def revoke_for_equivocation(worker: bytes32):
    """
    @notice Ends a worker that signed two contrary receipts (PROTOCOL 7.4).
    @param worker The worker's id.
    """
    assert msg.sender == SETTLEMENT, "registry: settlement"
    self._revoke(worker, True)


@external
def distrust(subject: bytes32):
    """
    @notice From now on every enclave of this subject counts as revoked, wherever it was admitted.
    @param subject Digest of a vendor's root certificate, of a measurement, or of a platform's hardware identity.
    """
    assert msg.sender == GUARDIAN, "registry: guardian"
    self._set_distrust(subject, max_value(uint256))
    self.has_distrusted = True


@external
def trust_again(subject: bytes32):
    """
    @notice Lets a distrust end once twice the network's delay is over; the guardian may distrust again at any time.
    @param subject What is distrusted.
    """
    assert msg.sender == PROPOSER, "registry: proposer"
    assert self.distrusted[subject] == max_value(uint256), "registry: subject"
    self._set_distrust(subject, block.timestamp + 2 * DELAY)


@external
def pause_admission():
    """
    @notice For three days no key that is not live now is admitted; live ones are renewed as ever. May be repeated.
    """
    assert msg.sender == GUARDIAN, "registry: guardian"
    self._pause_until(block.timestamp + PAUSE)


@external
def resume_admission():
    """
    @notice Ends a pause before its time.
    """
    assert msg.sender == PROPOSER, "registry: proposer"
    assert block.timestamp < self.paused_until, "registry: paused"
    self._pause_until(block.timestamp)


@external
def announce_measurement(measurement: bytes32, version: uint256):
    """
    @notice Lets enclaves of other code in, once the announcement has been final for the network's delay.
    @param measurement Digest of the measurement, as evidence names it; announced once.
    @param version Greater than what the genesis lists, which has 1; a later release has a higher one.
    """
    assert msg.sender == PROPOSER, "registry: proposer"
    assert measurement != empty(bytes32), "registry: measurement"
    assert self.measurements[measurement].since == 0, "registry: announced"
    assert version > GENESIS_VERSION, "registry: version"
    self.measurements[measurement] = Announced(version=version, since=block.timestamp)
    log MeasurementAnnounced(measurement=measurement, version=version, counts_from=block.timestamp + DELAY)


@external
def raise_minimum_version(measurement: bytes32):
    """
    @notice From now on nothing older than this measurement is admitted, nor given keys.
    @param measurement One that counts, so that there is always something to run.
    """
    assert msg.sender == GUARDIAN or msg.sender == PROPOSER, "registry: policy"
    assert self._counts(measurement) and block.timestamp >= self.distrusted[measurement], "registry: measurement"
    version: uint256 = self.measurements[measurement].version
    assert version > self.minimum_version, "registry: version"
    self.minimum_version = version
    log MinimumVersionRaised(version=version, sender=msg.sender)


@external
def raise_minimum_evaluation(number: uint256):
    """
    @notice From now on Intel's collateral must have at least this TCB evaluation number.
    @param number Greater than before, by at most 32.
    """
    assert msg.sender == GUARDIAN or msg.sender == PROPOSER, "registry: policy"
    assert number > self.minimum_evaluation, "registry: evaluation"
    assert number - self.minimum_evaluation <= EVALUATION_STEP, "registry: evaluation"
    self.minimum_evaluation = number
    log MinimumEvaluationRaised(number=number, sender=msg.sender)


@external
def pin_collateral(digests: DynArray[bytes32, MAX_PINS]):
    """
    @notice For seven days only this collateral counts. It must be fresh and the vendor's own all the same.
    @param digests Of each platform family's collateral; none ends pinning.
    """
    assert msg.sender == PROPOSER, "registry: proposer"
    self.refresh += 1
    for digest: bytes32 in digests:
        self.pins[self.refresh][digest] = True
    self.pinned_until = block.timestamp + PINNED if len(digests) > 0 else block.timestamp
    log CollateralPinned(refresh=self.refresh, digests=digests, until=self.pinned_until)


@external
@view
def standing(signer: address) -> IRegistry.Standing:
    """
    @notice What a signature of this key is worth now.
    @param signer Any address.
    @return The worker it serves and what decides whether its signature counts; all zero if it serves none.
    """
    worker: bytes32 = self.worker_of[signer]
    if worker == empty(bytes32):
        return empty(IRegistry.Standing)
    return IRegistry.Standing(
        worker=worker,
        operator=self.workers[worker].operator,
        platform=self.workers[worker].platform,
        expires=self.workers[worker].expires,
        revoked=self.workers[worker].revoked
        or (
            self.has_distrusted
            and self._is_distrusted(
                self.workers[worker].root, self.workers[worker].measurement, self.workers[worker].platform
            )
        ),
    )


@external
@pure
def worker_id(operator: address, platform: bytes32) -> bytes32:
    """
    @notice The id of an operator's platform; it survives restarts of the enclave.
    @param operator Who runs it.
    @param platform Digest of its hardware identity.
    @return keccak256(abi.encode(operator, platform)).
    """
    return self._worker_id(operator, platform)


@internal
@view
def _check_admission(admission: Admission):
    # Everything but the signatures.
    assert msg.sender == admission.operator, "registry: operator"
    assert admission.role == ROLE_WORKER or admission.role == ROLE_GATEKEEPER, "registry: role"
    assert admission.signer != empty(address) and admission.sealing_key != empty(bytes32), "registry: member zero"
    assert admission.configuration != empty(bytes32), "registry: configuration"
    assert admission.configuration == self.configuration, "registry: configuration"
    number: uint256 = convert(admission.block_number, uint256)
    assert number < block.number and block.number - number <= MAX_BLOCK_AGE, "registry: block"
    assert blockhash(number) == admission.block_hash, "registry: block"
    assert block.timestamp < convert(admission.expires, uint256), "registry: expired"


@internal
@view
def _check_policy(admission: Admission):
    # What the network accepts now; gatekeepers' enclaves check the same before they sign.
    assert not self._is_distrusted(
        admission.root, admission.measurement, admission.platform
    ), "registry: distrusted"
    version: uint256 = GENESIS_VERSION
    if self.measurements[admission.measurement].since != 0:
        assert self._counts(admission.measurement), "registry: measurement"
        version = self.measurements[admission.measurement].version
    assert version >= self.minimum_version, "registry: version"
    if block.timestamp < self.paused_until:
        worker: bytes32 = self._worker_id(admission.operator, admission.platform)
        assert self.worker_of[admission.signer] == worker, "registry: paused"


@internal
@view
def _is_distrusted(root: bytes32, measurement: bytes32, platform: bytes32) -> bool:
    return (
        block.timestamp < self.distrusted[root]
        or block.timestamp < self.distrusted[measurement]
        or block.timestamp < self.distrusted[platform]
    )


@internal
@view
def _counts(measurement: bytes32) -> bool:
    since: uint256 = self.measurements[measurement].since
    return since != 0 and block.timestamp >= since + DELAY


@internal
def _set_distrust(subject: bytes32, until: uint256):
    assert subject != empty(bytes32), "registry: subject"
    self.distrusted[subject] = until
    log Distrusted(subject=subject, until=until)


@internal
def _pause_until(until: uint256):
    self.paused_until = until
    log AdmissionPaused(until=until)


@internal
def _bind(worker: bytes32, admission: Admission):
    # Gives the worker its one live key. A key is fresh or the worker's present one: retired keys never come back.
    assert not self.workers[worker].revoked, "registry: revoked"
    former: address = self.workers[worker].signer
    if former == empty(address):
        if admission.role == ROLE_GATEKEEPER:
            self.gatekeeper_count += 1
    else:
        assert self.workers[worker].role == admission.role, "registry: role"
    if former != admission.signer:
        assert self.bound_worker[admission.signer] == empty(bytes32), "registry: signer"
        self.worker_of[former] = empty(bytes32)
        self.worker_of[admission.signer] = worker
        self.bound_worker[admission.signer] = worker


@internal
def _revoke(worker: bytes32, equivocation: bool):
    signer: address = self.workers[worker].signer
    assert signer != empty(address), "registry: worker"
    assert not self.workers[worker].revoked, "registry: revoked"
    self.workers[worker].revoked = True
    if self.workers[worker].role == ROLE_GATEKEEPER:
        self.gatekeeper_count -= 1
    log Revoked(worker=worker, signer=signer, equivocation=equivocation)


@internal
@pure
def _worker_id(operator: address, platform: bytes32) -> bytes32:
    return keccak256(abi_encode(operator, platform))
