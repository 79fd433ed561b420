"""Evidence of trusted hardware, what verification finds in it, and what a network accepts: pure."""
