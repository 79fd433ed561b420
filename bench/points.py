"""The steps of one command, and the functions of the source that each of them is (``spans``).

Where the source changes, this table follows: a test names the rows that no longer exist.
"""

from __future__ import annotations

from bench.spans import Point

__all__ = ["CORE_CHANNEL", "CORE_STEPS", "ENCLAVE_CHANNEL", "EXECUTOR_CHANNEL", "EXECUTOR_STEPS", "POINTS"]

_ENCLAVE = "coprocessor.enclave."
_SANDBOX = "coprocessor.sandbox."

POINTS = (
    # host
    Point("chain: ", "coprocessor.chain.rpc", "RpcClient._post", argument=2),
    Point("host: RPC encode, decode", "coprocessor.chain.rpc", "RpcClient.call"),
    Point("host: RPC encode, decode", "coprocessor.chain.rpc", "RpcClient.try_batch"),
    Point("host: links of logs", "coprocessor.chain.inbox", "InboxFollower._to_links"),
    Point("host: headers", "coprocessor.host.feed", "fetch_header_segment"),
    Point("host: proofs", "coprocessor.host.feed", "fetch_proofs"),
    Point("host: feed", "coprocessor.host.feed", "ChainFeed.advance"),
    Point("host: feed", "coprocessor.host.feed", "ChainFeed.prove"),
    Point("host: feed", "coprocessor.host.link_feed", "LinkFeed.feed"),
    Point("host: store outputs", "coprocessor.host.store", "Store.add_link"),
    Point("host: settled index", "coprocessor.host.settled_index", "SettledIndex.update"),
    Point("host: settle", "coprocessor.host.settler", "Settler.step"),
    Point("host: read back leaves", "coprocessor.host.store", "Store.leaves"),
    # enclave core
    Point("seal check", _ENCLAVE + "chain_view", "ChainView.extend"),
    Point("storage proofs", _ENCLAVE + "chain_view", "ChainView.accept"),
    Point("replay (keccak)", _ENCLAVE + "inbox", "InboxReplay.add"),
    Point("frame items", _ENCLAVE + "judgement", "decode_items"),
    Point("judge", _ENCLAVE + "judgement", "_judge"),
    Point("HPKE open", "coprocessor.crypto.hpke", "SealingKey.open"),
    Point("EIP-712 digest", "coprocessor.protocol.commands", "Command.digest"),
    Point("ECDSA recover", "coprocessor.protocol.commands", "recover_address"),
    Point("nonces", _ENCLAVE + "nonces", "NonceSet.is_used"),
    Point("nonces", _ENCLAVE + "nonces", "NonceSet.spend"),
    Point("nonces", _ENCLAVE + "nonces", "NonceSet.forget_until"),
    Point("trie update", "coprocessor.trie.trie", "Trie.put"),
    Point("trie update", "coprocessor.trie.trie", "Trie.delete"),
    Point("trie lookup", "coprocessor.trie.trie", "Trie.get"),
    Point("executor request", _ENCLAVE + "transition", "Transition._command_call"),
    Point("state seal, write", _ENCLAVE + "sealed_state", "ProgramState.write"),
    Point("state root", _ENCLAVE + "sealed_state", "ClusterState.root"),
    Point("output body", _ENCLAVE + "transition", "encode_output_body"),
    Point("output keys", _ENCLAVE + "transition", "derive_output_keys"),
    Point("output seal", _ENCLAVE + "transition", "seal_output"),
    Point("leaf", "coprocessor.protocol.outputs", "Leaf.digest"),
    Point("outputs root", "coprocessor.enclave.history", "compute_outputs_root"),
    Point("receipt", _ENCLAVE + "worker", "_Cluster._on_receipt"),
    Point("core: rest", _ENCLAVE + "transition", "Transition.apply"),
    # executor
    Point("instantiate", _SANDBOX + "instance", "open_instance"),
    Point("guest run", _SANDBOX + "instance", "run_on"),
    Point("drop instance", _SANDBOX + "fast_path", "FastInstance.close"),
    Point("guest's state access", _SANDBOX + "activation", "_Activation.kv_get"),
    Point("guest's state access", _SANDBOX + "activation", "_Activation.kv_set"),
    Point("guest's state access", _SANDBOX + "activation", "_Activation.kv_delete"),
    Point("guest's state access", _SANDBOX + "activation", "_Activation.kv_scan"),
    Point("executor: call frame", _SANDBOX + "abi", "CallFrame.encode"),
    Point("executor: result", _SANDBOX + "instance", "_read_result"),
    Point("executor: apply writes", _SANDBOX + "state", "ProgramStates.apply"),
    Point("executor: rest", _SANDBOX + "executor", "Executor.handle"),
)

CORE_CHANNEL = "executor channel, core's end"
EXECUTOR_CHANNEL = "executor channel, executor's end"
ENCLAVE_CHANNEL = "enclave channel"
"""Encoding and decoding of messages, timed by ``local_worker``."""

EXECUTOR_STEPS = frozenset({EXECUTOR_CHANNEL}) | {
    point.step for point in POINTS if point.module.startswith(_SANDBOX)
}
"""Steps of the executor's process, which runs beside the core's where a link has several parts."""

CORE_STEPS = frozenset({CORE_CHANNEL, ENCLAVE_CHANNEL}) | {
    point.step for point in POINTS if not point.step.startswith(("host: ", "chain: "))
} - EXECUTOR_STEPS
"""Steps of the enclave core's process."""
