"""Files other programs open."""
