"""Tests of ``coprocessor.headers``."""
