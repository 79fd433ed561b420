"""The whole table: what can be wrong with evidence, of which vendor, and how it is refused (attack 29).

Every code that ``coprocessor.attestation`` raises about evidence is reached by a row, and every row tells an operator
what to do next. What a vendor's format cannot show is named with the reason.
"""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import coprocessor.attestation
from coprocessor.attestation import evidence as evidence_module
from coprocessor.attestation.event_log import EVENT_LOG
from coprocessor.attestation.evidence import Evidence, EvidenceKind, decode_evidence
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import KNOWN_ROOTS, SIMULATED_ROOT
from coprocessor.attestation.vendors.sgx_extension import PlatformTcb
from coprocessor.attestation.vendors.simulated import build_collateral
from coprocessor.attestation.vendors.simulated_authority import (
    TcbLevel,
    VendorOptions,
    derive_p256_key,
    serial_number,
)
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.vendors.simulated_platform import SimulatedPlatform
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral, read_certificate_table
from coprocessor.attestation.vendors.snp_report import SnpTcb
from coprocessor.attestation.verdict import PlatformFlag, TcbStatus
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from tests.attestation import samples, test_event_log, test_evidence, test_nitro, test_snp
from tests.attestation.samples import NOW, REPORT_DATA, SECRET

DAY = 86_400
LAST_OF_CERTIFICATES = 2_524_521_600  # 2049-12-31, the last second of the simulated vendor's
BEFORE_CERTIFICATES = 1_577_000_000  # 2019-12-22
OTHER = sha256(b"other")
STRANGER = VendorOptions(seed=b"a vendor of my own")
GOOD: dict[str, Evidence] = {
    **{name: samples.evidence(name) for name in samples.FORMATS},
    "snp": test_snp.EVIDENCE,
    "nitro": test_nitro.EVIDENCE,
}
POLICY = AttestationPolicy(
    frozenset(verify_evidence(one, NOW).measurement_digest for one in GOOD.values()),
    frozenset(root.digest for root in KNOWN_ROOTS),
    allow_simulated=True,
)
LONG = VendorOptions(validity_days=12_000)


@dataclass(frozen=True)
class Shown:
    """What is shown to a judge, and what the judge expects."""

    evidence: Evidence
    now: int = NOW
    policy: AttestationPolicy = POLICY
    report_data: bytes = REPORT_DATA


def changed(one: Evidence, at: int, value: int) -> Evidence:
    quote = bytearray(one.quote)
    quote[at] = value
    return dataclasses.replace(one, quote=bytes(quote))


def policy(**changes: Any) -> AttestationPolicy:
    return dataclasses.replace(POLICY, **changes)


def of_policy(name: str) -> dict[str, tuple[Shown, str]]:
    """What any vendor's good evidence is refused for."""
    good = GOOD[name]
    return {
        "simulated": (Shown(good, policy=policy(allow_simulated=False)), "simulated_refused"),
        "a root that is not listed": (
            Shown(good, policy=policy(roots=POLICY.roots - {SIMULATED_ROOT.digest})), "root_unknown"
        ),
        "other code": (Shown(good, policy=policy(measurements=frozenset({OTHER}))), "measurement_unknown"),
        "relayed": (Shown(good, report_data=bytes(64)), "report_data_mismatch"),
        "trailing": (
            Shown(dataclasses.replace(good, quote=good.quote + b"\0")),
            "malformed" if name == "nitro" else "trailing_bytes",
        ),
        "cut": (Shown(dataclasses.replace(good, quote=good.quote[:-1])), "malformed"),
        "empty": (Shown(dataclasses.replace(good, quote=b"")), "malformed"),
    }


def of_dcap(name: str) -> dict[str, tuple[Shown, str]]:
    def made(options: VendorOptions = VendorOptions(), now: int = NOW, **machine: Any) -> Evidence:  # noqa: B008
        return samples.evidence(name, SimulatedPlatform(SECRET, options, **machine), now)

    def with_json(**fields: Any) -> Evidence:
        text = json.dumps(json.loads(good.collateral) | fields).encode()
        return dataclasses.replace(good, collateral=text)

    good, kind = GOOD[name], samples.KINDS[name]
    signed = {"sgx3": 432, "tdx4": 632, "tdx5": 702}[name]
    other = EvidenceKind.TDX if kind is EvidenceKind.SGX else EvidenceKind.SGX
    revoked = VendorOptions(revoked=(serial_number(derive_p256_key(SECRET, b"platform key")),))
    smt = PlatformTcb(bytes((10,)) * 16, 10, multithreading=True)
    levels = {status: VendorOptions(levels=(TcbLevel(status, 10, ("A",)),)) for status in TcbStatus}
    return of_policy(name) | {
        "stale": (Shown(good, NOW + 30 * DAY), "collateral_stale"),
        "old for the policy": (Shown(good, NOW + 7 * DAY), "collateral_stale"),
        "early": (Shown(good, NOW - 2 * DAY), "collateral_early"),
        "certificates ended": (Shown(made(LONG), LAST_OF_CERTIFICATES + 1), "certificate_expired"),
        "certificates to come": (
            Shown(made(now=BEFORE_CERTIFICATES), BEFORE_CERTIFICATES), "certificate_early"
        ),
        "certificate revoked": (Shown(made(revoked)), "revoked"),
        "firmware revoked": (Shown(made(tcb=PlatformTcb(bytes((1,)) * 16, 1))), "revoked"),
        "firmware out of date": (Shown(made(tcb=PlatformTcb(bytes((6,)) * 16, 6))), "tcb_out_of_date"),
        "firmware below all levels": (
            Shown(made(VendorOptions(levels=(TcbLevel(TcbStatus.UP_TO_DATE, 11),)))), "tcb_out_of_date"
        ),
        "settings": (Shown(made(levels[TcbStatus.CONFIGURATION_NEEDED])), "tcb_status"),
        "level 3 of 2": (
            Shown(made(levels[TcbStatus.HARDENING_NEEDED]), policy=policy(maximum_level=2)), "tcb_status"
        ),
        "advisory": (
            Shown(made(levels[TcbStatus.UP_TO_DATE]), policy=policy(refused_advisories=frozenset({"A"}))), "advisory"
        ),
        "flag": (
            Shown(made(tcb=smt), policy=policy(refused_flags=frozenset({PlatformFlag.SIMULTANEOUS_MULTITHREADING}))),
            "platform_flag",
        ),
        "evaluation number": (Shown(good, policy=policy(minimum_evaluation=19)), "evaluation_number"),
        "other collateral": (Shown(good, policy=policy(pinned_collateral=frozenset({OTHER}))), "collateral_not_pinned"),
        "quoting enclave out of date": (Shown(made(quoting_version=1)), "invalid"),
        "another vendor": (Shown(made(STRANGER)), "wrong_root"),
        "altered": (Shown(changed(good, signed + 4, good.quote[signed + 4] ^ 1)), "invalid"),
        "another format's collateral": (
            Shown(dataclasses.replace(good, collateral=build_collateral(other, NOW))), "wrong_platform"
        ),
        "another kind": (Shown(dataclasses.replace(good, kind=other)), "kind"),
        "no collateral": (Shown(dataclasses.replace(good, collateral=b"")), "collateral"),
        "a list cut short": (Shown(with_json(pck_crl="30")), "collateral"),
        "no certificate": (Shown(changed(good, good.quote.index(b"MII"), ord("!"))), "certificate"),
        "debug": (Shown(debugged(name)), "debug"),
    }


def debugged(name: str) -> Evidence:
    if name == "sgx3":
        attributes = bytes((7, *samples.SGX_REPORT.attributes[1:]))
        return samples.PLATFORM.sgx_evidence(dataclasses.replace(samples.SGX_REPORT, attributes=attributes), NOW)
    attributes = bytes((1, *samples.TD_REPORT.attributes[1:]))
    report = dataclasses.replace(samples.TD_REPORT, attributes=attributes)
    return samples.PLATFORM.tdx_evidence(report, NOW, int(name[3:]))


def of_snp() -> dict[str, tuple[Shown, str]]:
    machine, made, part = test_snp.MACHINE, test_snp.MACHINE.evidence, test_snp.with_collateral
    good, guest = GOOD["snp"], test_snp.guest
    older = machine.certify_chip(guest(tcb=SnpTcb(0, 4, 0, 19, 100)))
    long = SimulatedSnpPlatform(SECRET, LONG).evidence(test_snp.GUEST, NOW)
    revoked = VendorOptions(revoked=(machine.authority.serial_number,))
    unread = dataclasses.replace(SnpCollateral.decode(good.collateral), revocations=b"")
    smt = frozenset({PlatformFlag.SIMULTANEOUS_MULTITHREADING})
    return of_policy("snp") | {
        "stale": (Shown(good, NOW + 40 * DAY), "collateral_stale"),
        "early": (Shown(good, NOW - 3 * DAY), "collateral_early"),
        "certificates ended": (Shown(long, LAST_OF_CERTIFICATES + 1), "certificate_expired"),
        "certificates to come": (Shown(good, BEFORE_CERTIFICATES), "certificate_early"),
        "certificate revoked": (Shown(SimulatedSnpPlatform(SECRET, revoked).evidence(test_snp.GUEST, NOW)), "revoked"),
        "revocations unknown": (Shown(dataclasses.replace(good, collateral=unread.encode())), "platform_flag"),
        "firmware out of date": (Shown(made(guest(tcb=SnpTcb(0, 3, 0, 9, 100)), NOW)), "tcb_out_of_date"),
        "firmware that can come back": (
            Shown(made(guest(committed=SnpTcb(0, 3, 0, 9, 100)), NOW)), "tcb_out_of_date"
        ),
        "flag": (Shown(made(guest(platform=0x25), NOW), policy=policy(refused_flags=smt)), "platform_flag"),
        "other collateral": (Shown(good, policy=policy(pinned_collateral=frozenset({OTHER}))), "collateral_not_pinned"),
        "another vendor": (Shown(SimulatedSnpPlatform(SECRET, STRANGER).evidence(test_snp.GUEST, NOW)), "wrong_root"),
        "another authority's": (Shown(part(leaf=test_snp.der(machine.authority))), "chain"),
        "altered": (Shown(changed(good, 0x100, good.quote[0x100] ^ 1)), "signature"),
        "another firmware's key": (Shown(part(leaf=test_snp.der(older))), "wrong_platform"),
        "another kind": (Shown(dataclasses.replace(good, kind=EvidenceKind.NITRO)), "malformed"),
        "no certificate": (Shown(part(leaf=b"x")), "certificate"),
        "a list cut short": (Shown(part(revocations=b"x")), "revocation_list"),
        "no collateral's form": (Shown(dataclasses.replace(good, collateral=cbor.dumps([b"", b""]))), "collateral"),
        "debug": (Shown(made(guest(policy=0x30000 | 1 << 19), NOW)), "debug"),
    }


def of_nitro() -> dict[str, tuple[Shown, str]]:
    good, enclave = GOOD["nitro"], test_nitro.ENCLAVE
    root, authority = test_nitro.parse_document(good.quote).bundle
    stranger = SimulatedNitroPlatform(SECRET, STRANGER)
    console = NitroEnclave({**test_nitro.PCRS, 0: bytes(48)}, REPORT_DATA)
    signature = len(good.quote) - 1
    machine = frozenset({PlatformFlag.MACHINE_UNKNOWN})
    return of_policy("nitro") | {
        "old for the policy": (Shown(good, NOW + 61, policy=policy(maximum_age=60)), "collateral_stale"),
        "early": (Shown(test_nitro.document(timestamp=(NOW + 7200) * 1000)), "collateral_early"),
        "certificates ended": (Shown(good, NOW + 3 * 3600 + 1), "certificate_expired"),
        "certificates to come": (Shown(good, NOW - 3601), "certificate_early"),
        "flag": (Shown(good, policy=policy(refused_flags=machine)), "platform_flag"),
        "another vendor": (Shown(stranger.evidence(enclave, NOW)), "wrong_root"),
        "another authority's": (Shown(test_nitro.document(cabundle=[root])), "chain"),
        "altered": (Shown(changed(good, signature, good.quote[signature] ^ 1)), "signature"),
        "unsigned headers": (
            Shown(test_nitro.envelope(*[{4: b""} if at == 1 else part for at, part in enumerate(parts(good))])),
            "trailing_bytes",
        ),
        "another kind": (Shown(dataclasses.replace(good, kind=EvidenceKind.SNP)), "trailing_bytes"),
        "no certificate": (Shown(test_nitro.document(cabundle=[root, authority, b"x"])), "certificate"),
        "debug": (Shown(test_nitro.MACHINE.evidence(console, NOW)), "debug"),
    }


def parts(document: Evidence) -> list[Any]:
    return list(cbor.loads(document.quote, 1 << 14))


def of_event_logs() -> dict[str, tuple[Shown, str]]:
    """Of dstack's logs beside a TDX quote."""

    def shown(told: list[dict[str, Any]], happened: list[dict[str, Any]]) -> Shown:
        register = test_event_log.quoted(happened).rtmr3
        report = dataclasses.replace(samples.TD_REPORT, rtmr=(*samples.RTMR[:3], register))
        quote = samples.PLATFORM.tdx_evidence(report, NOW)
        return Shown(dataclasses.replace(quote, extras=((EVENT_LOG, test_event_log.dumps(told)),)))

    system = test_event_log.SYSTEM
    return {
        "no log": (shown([{}], system), "event_log"),
        "forged compose hash": (
            shown(test_event_log.change(2, event_payload="00" * 32), system), "event_log_mismatch"
        ),
        "not ready": (shown(system[:-1], system[:-1]), "event_log_incomplete"),
        "two compose hashes": (shown([*system, system[2]], [*system, system[2]]), "event_log_incomplete"),
    }


TABLE: dict[str, dict[str, tuple[Shown, str]]] = {
    **{name: of_dcap(name) for name in samples.FORMATS},
    "snp": of_snp(),
    "nitro": of_nitro(),
    "dstack": of_event_logs(),
}
ROWS = [(name, fault) for name, faults in TABLE.items() for fault in faults]


def refusal(show: Callable[[], object]) -> CoprocessorError:
    with pytest.raises((EvidenceRefused, MalformedInput)) as caught:
        show()
    return caught.value


@pytest.mark.parametrize(("name", "fault"), ROWS)
def test_each_fault_has_its_code_and_next_step(name: str, fault: str) -> None:
    shown, code = TABLE[name][fault]
    error = refusal(lambda: admit(shown.evidence, shown.policy, shown.report_data, shown.now))
    assert error.code == f"attestation.{code}"
    assert error.next, "an operator is told what to do"


@pytest.mark.parametrize("name", GOOD)
def test_without_a_fault_all_are_admitted(name: str) -> None:
    assert admit(GOOD[name], POLICY, REPORT_DATA, NOW).report_data == REPORT_DATA


NOT_SHOWN = {
    ("nitro", "stale"): "a document has no collateral; its age is the policy's",
    ("nitro", "certificate revoked"): "AWS publishes no revocations: certificates live for three hours",
    ("nitro", "firmware out of date"): "a document says nothing of firmware",
    ("nitro", "other collateral"): "there is none to pin",
    ("snp", "old for the policy"): "AMD issues its list when it sees fit; it counts until its end",
}
"""Faults that a format cannot show, and why."""


def test_every_vendor_is_tried_with_every_common_fault() -> None:
    common = {
        *("stale", "early", "old for the policy", "certificates ended", "certificates to come", "certificate revoked"),
        *("firmware out of date", "flag", "other collateral", "another vendor", "altered", "another kind", "debug"),
        *of_policy("snp"),
    }
    missing = {(name, fault) for name in GOOD for fault in common if fault not in TABLE[name]}
    assert missing == set(NOT_SHOWN)


# ---- what is no judgement of a vendor's evidence


def too_long() -> object:
    return Evidence(EvidenceKind.SGX, bytes(evidence_module.MAX_QUOTE_LENGTH + 1))


OTHERS: dict[str, Callable[[], object]] = {
    "too_long": too_long,
    "kind": lambda: decode_evidence(cbor.dumps(["other", b"", b"", {}])),
    "malformed": lambda: decode_evidence(b"\x00"),
    "certificate_table": lambda: read_certificate_table(b"", is_vlek=False),
    "signing_key": lambda: dataclasses.replace(test_evidence.CLAIMS, signing_key=b""),
    "block_number": lambda: dataclasses.replace(test_evidence.CLAIMS, block_number=-1),
    "policy": lambda: policy(maximum_level=0),
    "policy_empty": lambda: policy(roots=frozenset()),
}


@pytest.mark.parametrize("code", OTHERS)
def test_other_input_has_its_code_and_next_step(code: str) -> None:
    error = refusal(OTHERS[code])
    assert error.code == f"attestation.{code}"
    assert error.next


def find_codes() -> Iterator[str]:
    """Codes that the package raises about what comes from outside; simulated vendors and services apart."""
    folder = Path(coprocessor.attestation.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        if path.name.startswith("simulated") or path == folder / "collateral.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or "InternalError" in ast.unparse(node.func):
                continue
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and str(argument.value).startswith("attestation."):
                    yield str(argument.value).removeprefix("attestation.")


def test_every_code_is_reached() -> None:
    reached = {code for faults in TABLE.values() for _, code in faults.values()} | set(OTHERS)
    assert set(find_codes()) == reached
