"""The server, its queue, its workers and its journal."""
