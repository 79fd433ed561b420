"""Tests of ``coprocessor.values``."""
