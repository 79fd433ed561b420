"""Durable writes: whole files, notes, SQLite files, planned crashes."""
