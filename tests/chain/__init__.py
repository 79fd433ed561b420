"""Tests of ``coprocessor.chain``."""
