"""Meshes that ship with the project; see CREDITS.md."""
