"""Tests of the whole: what may import what, what is pure, what stands in the files."""
