"""One file a method: how a pair of meshes becomes a ``Morph``."""
