"""What is known of which source vertex goes to which target vertex: one file a way to match."""
