"""What proves the chain to whoever believes nobody: headers, header sources, account and storage proofs. Pure."""
