"""Tests of ``coprocessor.trie``."""
