"""Verification of Intel's DCAP evidence: SGX version 3, TDX versions 4 and 5. The same path for real and simulated
roots.

Rules:

1. The quote has passed the strict parser; debug enclaves are refused before anything else.
2. All signatures, chains, revocation lists and TCB levels are checked by the library under one given root, at the time
   ``now`` of the chain; no clock is read (PROTOCOL 2.3).
3. What the library says of the report must be what the parser found.
4. A verdict is not yet an acceptance: out-of-date platforms verify, and ``policy`` refuses them.
5. With an event log, the measurement is what the log shows, once it replays to the quote (``event_log``).
6. What the library refuses stays refused; ``dcap_platform`` only says why, each reason with its own code.
7. Evidence holds up to and with the last second of ``Verdict.valid_until``: that is a second before a revocation list's
   next one is due, and otherwise the second that the vendor names. Before that, it holds once all its parts are issued.

**Source:** Intel SGX and TDX DCAP appraisal as in the Quote Verification Library; ``dcap-qvl`` 0.7.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import dcap_qvl
from cryptography import x509

from coprocessor.attestation.event_log import EVENT_LOG, measure_dstack
from coprocessor.attestation.evidence import Evidence, EvidenceKind, compute_body_digest
from coprocessor.attestation.roots import VendorRoot, is_genuine
from coprocessor.attestation.vendors.certificates import load_pem_chain, verify_time
from coprocessor.attestation.vendors.dcap_platform import (
    DcapPlatform,
    find_tcb_status,
    read_platform,
    verify_certificates_listed,
)
from coprocessor.attestation.vendors.dcap_quote import DcapQuote, parse_quote
from coprocessor.attestation.verdict import (
    PlatformFlag,
    TcbStatus,
    TdxMeasurement,
    Verdict,
    compute_level,
    compute_platform_id,
)
from coprocessor.codec import strict_json
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, InternalError, MalformedInput

__all__ = ["quote_of", "verify_dcap"]

_FLAGS: Final = {
    "dynamic_platform": PlatformFlag.DYNAMIC,
    "cached_keys": PlatformFlag.CACHED_KEYS,
    "smt_enabled": PlatformFlag.SIMULTANEOUS_MULTITHREADING,
}


def quote_of(evidence: Evidence) -> DcapQuote:
    """The evidence's quote, **unverified**. Raises MalformedInput: not a supported quote, or of another kind."""
    quote = parse_quote(evidence.quote)
    if quote.kind is not evidence.kind:
        raise MalformedInput(
            "attestation.kind",
            f"the quote is {quote.kind.value}, the evidence says {evidence.kind.value}",
            next="send the quote under its own kind",
        )
    return quote


def verify_dcap(evidence: Evidence, roots: Sequence[VendorRoot], now: int) -> Verdict:
    """What the evidence proves.

    Args:
        evidence: of kind SGX or TDX, with collateral.
        roots: certificates that may end its chains.
        now: chain time, seconds since 1970.

    Raises:
        MalformedInput: not a supported quote or not collateral.
        EvidenceRefused: ``attestation.debug``, ``wrong_root``, ``revoked``, ``collateral_stale``,
            ``collateral_early``, ``certificate_expired``, ``certificate_early``, ``wrong_platform``,
            ``tcb_out_of_date``, ``invalid``, ``event_log_mismatch``, ``event_log_incomplete``.
    """
    quote = quote_of(evidence)
    if quote.is_debug:
        raise EvidenceRefused(
            "attestation.debug",
            "the enclave runs in debug mode",
            "its host can read its memory",
            "build and start the enclave without debug",
        )
    platform = read_platform(quote, roots)
    collateral, window = _read_collateral(evidence.collateral)
    verify_certificates_listed(platform, bytes(collateral.pck_crl), bytes(collateral.root_ca_crl))
    window.check(now)
    for certificate in (platform.certificate, platform.authority, *_read_signers(collateral)):
        verify_time(certificate, now)
    claims = _verify(evidence.quote, collateral, platform, quote, now)
    verdict = _to_verdict(quote, claims, platform.root, window)
    log = evidence.extra(EVENT_LOG)
    if not log or not isinstance(verdict.measurement, TdxMeasurement):
        return verdict
    return replace(verdict, measurement=measure_dstack(verdict.measurement, log))


@dataclass(frozen=True, slots=True)
class _Window:
    """When the vendor's data are good, as they say themselves: seconds since 1970 when the oldest part was issued, when
    the newest was, and the last one at which all hold (rule 7)."""

    issued: int
    begins: int
    ends: int

    def check(self, now: int) -> None:
        if now > self.ends:
            raise EvidenceRefused(
                "attestation.collateral_stale",
                f"the vendor's data ended at {self.ends}, chain time is {now}",
                "revocations since then would be missed",
                "fetch fresh collateral and attest again",
            )
        if now < self.begins:
            raise EvidenceRefused(
                "attestation.collateral_early",
                f"the vendor's data begin at {self.begins}, chain time is {now}",
                "the chain's clock is behind, or the collateral is forged",
                "wait for a newer block and attest again",
            )


def _read_collateral(data: bytes) -> tuple[Any, _Window]:
    """The library's collateral, and when its data are valid (still unverified)."""
    try:
        collateral = _guarded(dcap_qvl.QuoteCollateralV3.from_json, data.decode("utf-8"))
        documents = [strict_json.loads(text) for text in (collateral.tcb_info, collateral.qe_identity)]
        issued = [_seconds(document["issueDate"]) for document in documents]
        ends = [_seconds(document["nextUpdate"]) for document in documents]
        ends += [_list_end(revocations) - 1 for revocations in (collateral.root_ca_crl, collateral.pck_crl)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MalformedInput(
            "attestation.collateral", "the collateral is not readable", str(error), "fetch the collateral anew"
        ) from error
    return collateral, _Window(min(issued), max(issued), min(ends))


def _read_signers(collateral: Any) -> list[x509.Certificate]:
    """Certificates behind the vendor's data, as far as they came along; the library finds out whether they suffice."""
    chains = (collateral.tcb_info_issuer_chain, collateral.qe_identity_issuer_chain, collateral.pck_crl_issuer_chain)
    return [one for chain in dict.fromkeys(chains) if chain.strip() for one in load_pem_chain(chain.encode())]


def _verify(evidence: bytes, collateral: Any, platform: DcapPlatform, quote: DcapQuote, now: int) -> dict[str, Any]:
    verifier = dcap_qvl.QuoteVerifier(platform.root.der)
    try:
        policy = dcap_qvl.QuotePolicy.claims_only(now)
        claims = _guarded(verifier.verify_with_policy, evidence, collateral, now, policy)
    except (ValueError, OverflowError) as error:
        raise _explain(platform, quote, collateral, str(error)) from error
    found: dict[str, Any] = json.loads(claims.to_json())
    return found


def _explain(platform: DcapPlatform, quote: DcapQuote, collateral: Any, words: str) -> EvidenceRefused:
    """Why the library refused (rule 6)."""
    try:
        info = strict_json.loads(collateral.tcb_info)
        is_fitting = info["id"] == quote.kind.name and bytes.fromhex(info["fmspc"]) == platform.fmspc
        status = find_tcb_status(platform, quote, info) if is_fitting else TcbStatus.UP_TO_DATE
    except (ValueError, KeyError, TypeError, AttributeError, CoprocessorError):
        is_fitting, status = True, TcbStatus.UP_TO_DATE
    if not is_fitting:
        return EvidenceRefused(
            "attestation.wrong_platform",
            "the collateral is for another model of platform, or for another format",
            words,
            "fetch the collateral of this platform and attest again",
        )
    if status is TcbStatus.REVOKED:
        return EvidenceRefused(
            "attestation.revoked", "the vendor revoked the platform's firmware level", words, "update the firmware"
        )
    if status is None:
        return EvidenceRefused(
            "attestation.tcb_out_of_date",
            "the platform's firmware is below every level that the vendor knows",
            words,
            "update firmware and microcode",
        )
    return EvidenceRefused(
        "attestation.invalid",
        f"the evidence does not verify under {platform.root.name}",
        words,
        "check that quote and collateral belong to the same platform and are unaltered",
    )


def _to_verdict(quote: DcapQuote, claims: dict[str, Any], root: VendorRoot, window: _Window) -> Verdict:
    try:
        _compare_report(quote, claims["report"])
        tcb, pck = claims["tcb"], claims["platform"]["pck"]
        advisories = tuple(sorted(set(tcb["advisory_ids"])))
        status = TcbStatus(tcb["status"])
        simulated = not is_genuine(root.digest)
        expirations = (window.ends, claims["earliest_expiration_date"], claims["qe_iden_earliest_expiration_date"])
        return Verdict(
            kind=quote.kind,
            measurement=quote.measurement,
            report_data=quote.report_data,
            status=status,
            advisories=advisories,
            flags=frozenset(flag for name, flag in _FLAGS.items() if pck[name] == "True"),
            platform_id=compute_platform_id(b"intel", bytes(pck["ppid"]), simulated=simulated),
            body_digest=compute_body_digest(quote.kind, quote.signed),
            evaluation_number=min(tcb["eval_data_number"], claims["qe"]["tcb_eval_data_number"]),
            issued_at=window.issued,
            valid_until=min(expirations),
            level=compute_level(status, advisories),
            root=root.digest,
            simulated=simulated,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError(
            "attestation.library", "the verifying library answers in an unknown form", str(error)
        ) from error


def _compare_report(quote: DcapQuote, report: dict[str, Any]) -> None:
    """Two parsers that read one quote in two ways would let a measurement be forged (rule 3)."""
    (fields,) = report.values()
    fields = fields.get("base", fields)
    name, start = ("mr_enclave", 64) if quote.kind is EvidenceKind.SGX else ("mr_td", 136)
    measured = bytes.fromhex(fields[name])
    if bytes.fromhex(fields["report_data"]) != quote.report_data or quote.report[start:][: len(measured)] != measured:
        raise InternalError("attestation.library", "the verifying library reads another report than the parser")


def _guarded(call: Any, *arguments: Any) -> Any:
    """Calls the library; a panic inside it becomes a ValueError, as its other failures are."""
    try:
        return call(*arguments)
    except Exception:
        raise
    except BaseException as error:
        _reraise_unless_panic(error)


def _reraise_unless_panic(error: BaseException) -> NoReturn:
    # The bindings' PanicException cannot be imported, and derives from BaseException.
    if type(error).__name__ == "PanicException":
        raise ValueError(f"the verifying library failed: {error}") from error
    raise error


def _list_end(revocation_list: bytes) -> int:
    """When the next revocation list is due; a list that does not say is refused."""
    due = x509.load_der_x509_crl(bytes(revocation_list)).next_update_utc
    if due is None:
        raise ValueError("a revocation list does not say when the next is due")
    return int(due.timestamp())


def _seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())
