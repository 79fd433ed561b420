"""The chain as hosts, clients and deployers reach it: JSON-RPC, contracts, transactions, followers, deployment.

Nothing here is believed by an enclave; what must be believed is proven (``coprocessor.headers``).
"""
