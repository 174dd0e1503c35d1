"""Ordinary differential equations: integrators, and meshes carried by a field."""
