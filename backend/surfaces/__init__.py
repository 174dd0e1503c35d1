"""Fitting one shape: distance fields of meshes, point clouds and polylines, and what can be asked of them."""
