"""The one registry of key labels and signing contexts.

Every key derivation, sealed message and domain of this project takes its label from here, so no two purposes can share
bytes. Grammar (PROTOCOL 8.1): the prefix ``coprocessor/v1/``, the purpose, ``-insecure`` where simulated hardware is
at the root, then the network digest and each further part, every field prefixed by its length in four bytes,
big-endian.
"""

from __future__ import annotations

from enum import Enum

from coprocessor.values.errors import CallerMisuse

__all__ = ["PREFIX", "Label"]

PREFIX = "coprocessor/v1/"


class Label(Enum):
    """A purpose. Values are unique by construction (a test compares) and never change."""

    # identities and anchors
    CONFIGURATION = "configuration"
    GENESIS = "genesis"
    REPORT_DATA = "report-data"
    EVIDENCE = "evidence"
    HEADER_SEAL = "header-seal"
    # key hierarchy (DESIGN 6)
    CLUSTER_IDENTITY = "cluster-identity"
    CLUSTER_SECRET = "cluster-secret"
    STATE_KEY = "state-key"
    STATE_NONCE = "state-nonce"
    STATE_PATH = "state-path"
    NONCE_PATH = "nonce-path"
    INPUT_KEY = "input-key"
    ACCOUNT_KEY = "account-key"
    QUERY_ACCOUNT_KEY = "query-account-key"
    APPLICATION_SECRET = "application-secret"
    APPLICATION_KEY = "application-key"
    RANDOMNESS = "randomness"
    QUERY_RANDOMNESS = "query-randomness"
    PRIVATE_CODE = "private-code"
    CHECKPOINT = "checkpoint"
    # messages sealed by HPKE
    SEALED_COMMAND = "sealed-command"
    SEALED_QUERY = "sealed-query"
    SEALED_INIT = "sealed-init"
    SEALED_CODE = "sealed-code"
    SEALED_PARTIAL = "sealed-partial"
    # what the owner of private code commits to
    CODE_CONTENT = "code-content"
    CODE_COMMITMENT = "code-commitment"
    CODE_SALT = "code-salt"
    # outputs (PROTOCOL 6)
    REPLY_SECRET = "reply-secret"
    OUTPUT_KEY = "output-key"
    OUTPUT_NONCE = "output-nonce"
    OUTPUT_SALT = "output-salt"
    QUERY_REPLY = "query-reply"
    # signing contexts outside EIP-712
    TICKET = "ticket"
    RELEASE_REQUEST = "release-request"
    QUERY_SIGNATURE = "query-signature"
    RELEASE_RECORD = "release-record"
    # public randomness (PROTOCOL 10)
    BEACON = "beacon"
    BEACON_CEREMONY = "beacon-ceremony"
    DRAW = "draw"
    # threshold ceremonies
    DKG_SESSION = "dkg-session"
    DKG_SHARE = "dkg-share"
    DKG_POSSESSION = "dkg-possession"
    DKG_COMPLAINT = "dkg-complaint"
    DKG_MESSAGE = "dkg-message"
    # authenticated map
    TRIE_LEAF = "trie-leaf"
    TRIE_INNER = "trie-inner"
    CLUSTER_STATE = "cluster-state"
    # what lies on a host's disk (PROTOCOL 5.8)
    DISK_CACHE = "disk-cache"
    SEALED_SHARE = "sealed-share"
    PAD = "pad"
    PAD_CHECK = "pad-check"
    PAD_PIECE = "pad-piece"
    SEALED_PIECE = "sealed-piece"
    PLATFORM_SEAL = "platform-seal"
    SIMULATED_VENDOR = "simulated-vendor"

    def context(self, network: bytes, *parts: bytes, insecure: bool = False) -> bytes:
        """The unambiguous bytes of this label for a network and further parts.

        Args:
            network: 32 bytes, the genesis digest (or the configuration hash before there is one); empty where a label
                is independent of any network.
            parts: whatever else separates one use from another.
            insecure: the root is simulated hardware; adds ``-insecure`` so that no such key opens real ones.
        """
        if len(network) not in (0, 32):
            raise CallerMisuse("label.network", f"a network digest has 32 bytes, not {len(network)}")
        name = PREFIX + self.value + ("-insecure" if insecure else "")
        fields = (name.encode("ascii"), network, *parts)
        return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
