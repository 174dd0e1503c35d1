"""Networks and what is differentiated."""
