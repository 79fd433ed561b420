"""Hosts of workers and gatekeepers: all network and disk I/O of an enclave, and believed by nobody."""
