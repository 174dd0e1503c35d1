"""Matching by vertex order: vertex ``i`` of the source is vertex ``i`` of the target."""

from __future__ import annotations

import numpy as np

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from protocol.mesh import MeshData

TABLE_OF_TARGET = "Match: Table in Blender, --correspondence FILE on the command line"


def from_vertex_order(
    source: MeshData, target: MeshData, role: str = "the target", remedy: str = TABLE_OF_TARGET
) -> Correspondence:
    """The identity map. Raises ``CorrespondenceError`` if the numbers differ; ``remedy``: where tables are given."""
    if source.n_vertices != target.n_vertices:
        raise CorrespondenceError(
            f"the vertex order cannot match the meshes: the source has {source.n_vertices} vertices and {role} "
            f"{target.n_vertices}. Give a table of vertex pairs instead ({remedy})."
        )
    every = np.arange(source.n_vertices, dtype=np.int64)
    return Correspondence(source=every, target=every, weights=np.ones(len(every)), way="vertex-order")
