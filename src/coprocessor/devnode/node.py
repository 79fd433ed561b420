"""Puts a node with a chain of its own together and serves it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.accounts import development_accounts
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.dispatch import Dispatcher, Handler
from coprocessor.devnode.mining import Miner
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.rpc_blocks import BlockMethods
from coprocessor.devnode.rpc_control import ControlMethods, SealMethods
from coprocessor.devnode.rpc_state import StateMethods
from coprocessor.devnode.rpc_transactions import TransactionMethods
from coprocessor.devnode.running import RunningNode, locked_folder
from coprocessor.devnode.seals import load_sealer, sealer_key_path
from coprocessor.devnode.server import RpcServer
from coprocessor.values.identities import to_hex

__all__ = ["serve_chain"]

CLIENT_VERSION: Final = "coprocessor-devnode/v1"
DATABASE_FILE: Final = "chain.sqlite"


@asynccontextmanager
async def serve_chain(options: NodeOptions) -> AsyncIterator[RunningNode]:
    """A node in this event loop; stops when the block ends.

    Raises:
        StartFailed: the folder is in use or of another release, the port is taken, or the key file is bad.
        DiskFailed: the folder is damaged, full or may not be written.
    """
    with locked_folder(options.data):
        sealer = load_sealer(*sealer_key_path(options), options.disk)
        database = Database(options.data / DATABASE_FILE, options.disk)
        try:
            chain = Chain(database, options, time.time)
            miner = Miner(chain, options.block_time)
            server = RpcServer(_make_dispatcher(chain, database, miner, sealer).handle)
            url = await server.start(options.host, options.port)
            mining = asyncio.create_task(miner.run())
            try:
                yield RunningNode(url, chain.chain_id, to_hex(sealer.address), chain.head.header.number)
            finally:
                mining.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await mining
                await server.stop()
        finally:
            database.close()


def _make_dispatcher(chain: Chain, database: Database, miner: Miner, sealer: PrivateKey) -> Dispatcher:
    return Dispatcher(
        _make_handlers(chain, database, miner, sealer),
        deferred=frozenset({"eth_sendRawTransaction"}),
        flusher=miner,
    )


def _make_handlers(chain: Chain, database: Database, miner: Miner, sealer: PrivateKey) -> Mapping[str, Handler]:
    blocks = BlockMethods(chain, database)
    state = StateMethods(chain, database)
    transactions = TransactionMethods(chain, database, miner, state, development_accounts())
    control = ControlMethods(chain, miner)
    seals = SealMethods(chain, database, sealer)
    return {
        "web3_clientVersion": lambda: CLIENT_VERSION,
        "net_version": lambda: str(chain.chain_id),
        "net_listening": lambda: True,
        "eth_chainId": lambda: hex(chain.chain_id),
        "eth_syncing": lambda: False,
        "eth_accounts": transactions.accounts,
        "eth_blockNumber": blocks.block_number,
        "eth_getBlockByNumber": blocks.get_block_by_number,
        "eth_getBlockByHash": blocks.get_block_by_hash,
        "eth_getBlockTransactionCountByNumber": blocks.get_transaction_count_by_number,
        "eth_getBlockTransactionCountByHash": blocks.get_transaction_count_by_hash,
        "eth_getBlockReceipts": blocks.get_block_receipts,
        "eth_getTransactionByHash": blocks.get_transaction_by_hash,
        "eth_getTransactionReceipt": blocks.get_transaction_receipt,
        "eth_getLogs": blocks.get_logs,
        "debug_getRawBlock": blocks.get_raw_block,
        "debug_getRawReceipts": blocks.get_raw_receipts,
        "eth_getBalance": state.get_balance,
        "eth_getTransactionCount": state.get_transaction_count,
        "eth_getCode": state.get_code,
        "eth_getStorageAt": state.get_storage_at,
        "eth_getProof": state.get_proof,
        "eth_call": state.call,
        "eth_estimateGas": state.estimate_gas,
        "eth_gasPrice": transactions.gas_price,
        "eth_maxPriorityFeePerGas": transactions.max_priority_fee_per_gas,
        "eth_feeHistory": transactions.fee_history,
        "eth_sendRawTransaction": transactions.send_raw_transaction,
        "eth_sendTransaction": transactions.send_transaction,
        "evm_mine": control.mine,
        "anvil_mine": control.mine_many,
        "evm_setAutomine": control.set_automine,
        "evm_setIntervalMining": control.set_interval_mining,
        "evm_increaseTime": control.increase_time,
        "evm_setNextBlockTimestamp": control.set_next_block_timestamp,
        "coproc_reorg": control.reorganise,
        "coproc_getSeals": seals.get_seals,
        "coproc_getRawHeaders": seals.get_raw_headers,
        "coproc_sealers": seals.sealers,
    }
