"""Tests of ``coprocessor.host``."""
