"""Baseline: straight lines from every source vertex to its place on the target."""
