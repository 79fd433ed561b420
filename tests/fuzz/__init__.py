"""Every parser and verifier meets random bytes and mutated valid ones."""
