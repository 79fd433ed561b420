"""What this release holds for an up-to-date SEV-SNP platform.

AMD signs no list of good security versions, so a release carries one: per processor the least versions that answer the
bulletins known when it was made. The list is part of the measured code, like the root certificates; a later release
raises it. A processor that is not listed is ``Unjudged``.

**Source:** AMD security bulletin AMD-SB-3019 (CVE-2024-56161), which states the least TCB[SNP] and microcode version by
processor; the microcode's security version is the low byte of its revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coprocessor.attestation.vendors.snp_report import SnpTcb
from coprocessor.attestation.verdict import TcbStatus

__all__ = ["SNP_BASELINES", "SnpBaseline", "judge_tcb"]


@dataclass(frozen=True, slots=True)
class SnpBaseline:
    """The least security versions of a processor.

    Args:
        product: as the vendor's root is called (``VendorRoot.product``).
        processor: family, model and stepping; None holds for the whole product.
        floor: the least versions.
        bulletins: what applies to platforms below it.
    """

    product: str
    processor: tuple[int, int, int] | None
    floor: SnpTcb
    bulletins: tuple[str, ...]


_ENTRY_SIGN: Final = ("AMD-SB-3019",)

SNP_BASELINES: Final = (
    SnpBaseline("Milan", (0x19, 0x01, 1), SnpTcb(0, 0, 0, 0x18, 0xDB), _ENTRY_SIGN),
    SnpBaseline("Genoa", (0x19, 0x11, 1), SnpTcb(0, 0, 0, 0x17, 0x54), _ENTRY_SIGN),
    SnpBaseline("Genoa", (0x19, 0x11, 2), SnpTcb(0, 0, 0, 0x17, 0x4F), _ENTRY_SIGN),
    SnpBaseline("Simulated", None, SnpTcb(0, 3, 0, 10, 50), ("SIMULATED-SA-00003",)),
)
"""By product and processor."""


def judge_tcb(
    product: str,
    processor: tuple[int, int, int] | None,
    tcb: SnpTcb,
    baselines: Sequence[SnpBaseline] = SNP_BASELINES,
) -> tuple[TcbStatus, tuple[str, ...]]:
    """Status of a platform with these security versions, and the bulletins that apply to it, ascending."""
    fitting = [
        baseline for baseline in baselines if baseline.product == product and baseline.processor in (None, processor)
    ]
    if not fitting:
        return TcbStatus.UNJUDGED, ()
    bulletins = {name for entry in fitting if not tcb.is_at_least(entry.floor) for name in entry.bulletins}
    status = TcbStatus.OUT_OF_DATE if bulletins else TcbStatus.UP_TO_DATE
    return status, tuple(sorted(bulletins))
