"""Tweenfield's compute process: trains a deformation between two meshes and bakes its frames."""

__version__ = "0.1.0"
