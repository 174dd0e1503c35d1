"""Meshes as arrays: files, checks and repair, alignment, sampling, distances, metrics."""
