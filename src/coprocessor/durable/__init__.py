"""Everything that must survive the end of a process: whole files, notes, SQLite files, each write at a named point."""
