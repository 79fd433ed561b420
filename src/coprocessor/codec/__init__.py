"""Encodings with one form each: deterministic CBOR, RLP, Ethereum ABI, EIP-712 and Ethereum transactions."""
