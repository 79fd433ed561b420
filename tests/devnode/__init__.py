"""Tests of the embedded development chain."""
