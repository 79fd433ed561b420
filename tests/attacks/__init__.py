"""Attacks, each with its defence and with that one defence switched off: the first fails, the second succeeds."""
