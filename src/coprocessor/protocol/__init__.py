"""What client, enclave and auditor share: links, sealed items, outputs, receipts, queries and their digests. Pure."""
