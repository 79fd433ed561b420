"""The one registry: every parser and verifier that takes bytes from outside, under a name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets_chain import CHAIN_TARGETS
from tests.fuzz.targets_codec import CODEC_TARGETS
from tests.fuzz.targets_edge import EDGE_TARGETS
from tests.fuzz.targets_enclave import ENCLAVE_TARGETS
from tests.fuzz.targets_keys import KEY_TARGETS
from tests.fuzz.targets_private import PRIVATE_TARGETS
from tests.fuzz.targets_protocol import PROTOCOL_TARGETS
from tests.fuzz.targets_sandbox import SANDBOX_TARGETS
from tests.fuzz.targets_vendors import VENDOR_TARGETS

__all__ = ["TARGETS"]

_ALL = (
    *CODEC_TARGETS,
    *CHAIN_TARGETS,
    *VENDOR_TARGETS,
    *KEY_TARGETS,
    *PROTOCOL_TARGETS,
    *PRIVATE_TARGETS,
    *SANDBOX_TARGETS,
    *ENCLAVE_TARGETS,
    *EDGE_TARGETS,
)

TARGETS: dict[str, Target] = {target.name: target for target in _ALL}
"""By name, which is also that of the target's folder in ``corpus``."""

assert len(TARGETS) == len(_ALL), "two targets have one name"
