"""Cameras, and what they see of a mesh: silhouettes with gradients, depth, normals."""
