"""The enclave: worker and gatekeeper cores without I/O, their messages, and the thin loop around them."""
