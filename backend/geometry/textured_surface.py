"""``TexturedSurface``: texture coordinates, colours and material slots of a mesh, looked up for faces near it."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.binding import barycentric
from backend.geometry.distance import closest_on_surface
from backend.geometry.triangles import SMALLEST_AREA, areas, parts
from protocol.mesh import MeshData

REACH = 3.0  # no more than this many times the usual length of texture is laid along a length of surface


class TexturedSurface:
    """The triangles of an artist's mesh, wherever its vertices have been carried.

    A face of the other mesh belongs to the triangle nearest to its middle. Its corners take the texture coordinates
    of the places nearest to them, as long as these are on the same island of the texture and not across a seam.
    Otherwise the texture of the face's own triangle is continued to them, so that no face has corners on both sides
    of a seam.
    """

    def __init__(self, mesh: MeshData, vertex_map: Int64, rest: Float64) -> None:
        """``vertex_map`` [V]: which vertex of the carried surface each is, -1 for none; ``rest`` [W, 3]: its places."""
        corners = _fan_corners(mesh)  # [T, 3]
        triangles = vertex_map[np.asarray(mesh.face_indices, np.int64)[corners]]
        whole = (triangles >= 0).all(axis=1)
        corners, triangles = corners[whole], triangles[whole]
        area = areas(rest, triangles)
        sound = area > SMALLEST_AREA * float((np.ptp(rest, axis=0) ** 2).sum())
        self._triangles = triangles[sound]  # [T, 3], vertices of the carried surface
        self._uv = self._color = None
        uv = _attribute(mesh, "uv", (2,))
        if uv is not None and len(uv) == len(mesh.face_indices):
            self._uv = uv[corners[sound]]  # [T, 3, 2]
            self._island = _islands(self._triangles, self._uv)  # [T]
        color = _attribute(mesh, "color", (3, 4))
        if color is not None:
            of_vertices = len(color) == mesh.n_vertices
            self._color = color[mesh.face_indices[corners[sound]] if of_vertices else corners[sound]]  # [T, 3, 4]
        self._slots = _slots(mesh, corners[sound, 0])

    @property
    def has_uv(self) -> bool:
        return self._uv is not None

    @property
    def has_color(self) -> bool:
        return self._color is not None

    @property
    def has_materials(self) -> bool:
        return self._slots is not None

    def materials(self, positions: Float64, triangles: Int64, carried: Float64) -> Int64:
        """Material slot of each triangle [N, 3] of vertices [V, 3]: that of the face nearest to its middle."""
        assert self._slots is not None
        _, home, _ = closest_on_surface(positions[triangles].mean(axis=1), carried, self._triangles)  # [N]
        return self._slots[home]

    def look_up(
        self,
        positions: Float64,  # [V, 3]
        triangles: Int64,  # [N, 3]
        carried: Float64,  # [W, 3], where the vertices of the surface are now
    ) -> tuple[Float64 | None, Float64 | None]:
        """Texture coordinates [3 N, 2] of the corners of a mesh, and colours [V, 4] of its vertices."""
        _, face, place = closest_on_surface(positions, carried, self._triangles)  # [V]
        shares = barycentric(place, carried[self._triangles[face]])  # [V, 3]
        color = None if self._color is None else np.einsum("vk,vkd->vd", shares, self._color[face])
        if self._uv is None:
            return None, color
        near = np.einsum("vk,vkd->vd", shares, self._uv[face])  # [V, 2]
        return self._corner_uv(positions, triangles, carried, face, near), color

    def _corner_uv(self, positions: Float64, triangles: Int64, carried: Float64, face: Int64, near: Float64) -> Float64:
        """Texture coordinates [3 N, 2]; nearest to the vertices are ``near`` [V, 2], on the triangles ``face`` [V]."""
        assert self._uv is not None
        points = positions[triangles]  # [N, 3, 3]
        middle = points.mean(axis=1)  # [N, 3]
        _, home, place = closest_on_surface(middle, carried, self._triangles)  # [N]
        corners, table = carried[self._triangles[home]], self._uv[home]  # [N, 3, 3], [N, 3, 2]
        centre = np.einsum("nk,nkd->nd", barycentric(place, corners), table)[:, None]  # [N, 1, 2]
        gradient = _gradients(corners, table)  # [N, 2, 3]
        away = points - middle[:, None]  # [N, 3, 3]
        step = np.einsum("nda,nka->nkd", gradient, away)  # [N, 3, 2]
        # A sliver's own gradient says little, so how far the texture goes is also judged by its whole island.
        usual = self._stretch(carried)[self._island[home]]  # [N]
        local = np.clip(np.linalg.norm(gradient, axis=(1, 2)), usual, REACH * usual)
        way = local[:, None] * np.linalg.norm(away, axis=2)  # [N, 3]
        step *= np.minimum(1.0, REACH * way / np.maximum(np.linalg.norm(step, axis=2), 1e-300))[..., None]
        continued = centre + step
        found = near[triangles]  # [N, 3, 2]
        same = self._island[face[triangles]] == self._island[home][:, None]  # [N, 3]
        same &= np.linalg.norm(found - continued, axis=2) <= way  # beyond, a seam lies between
        return np.where(same[..., None], found, continued).reshape(-1, 2)

    def _stretch(self, carried: Float64) -> Float64:
        """Length in the texture of a unit of length on the surface, of every island."""
        assert self._uv is not None
        sides = self._uv[:, 1:] - self._uv[:, :1]  # [T, 2, 2]
        flat = np.abs(np.linalg.det(sides)) / 2
        area = areas(carried, self._triangles)
        n = int(self._island.max()) + 1
        surface = np.bincount(self._island, area, n)
        return np.asarray(np.sqrt(2.0 * np.bincount(self._island, flat, n) / np.maximum(surface, 1e-300)))


def _fan_corners(mesh: MeshData) -> Int64:
    """Corners [T, 3] of the fan triangles of all polygons, as places in ``face_indices``."""
    places = np.arange(len(mesh.face_indices), dtype=np.int32)
    return MeshData(mesh.vertices, mesh.face_offsets, places).triangles().astype(np.int64)


def _attribute(mesh: MeshData, name: str, widths: tuple[int, ...]) -> Float64 | None:
    """An attribute as float64 [n, D], columns that are missing filled with 1; ``None`` if there is none like this."""
    values = mesh.attributes.get(name)
    if values is None or values.ndim != 2 or values.shape[1] not in widths:
        return None
    if not np.issubdtype(values.dtype, np.floating):
        return None
    full = np.ones((len(values), max(widths)))
    full[:, : values.shape[1]] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return full


def _slots(mesh: MeshData, corners: Int64) -> Int64 | None:
    """Material slots [T] of the faces that ``corners`` [T] belong to; ``None`` if the mesh does not say."""
    slots = mesh.attributes.get("material")
    if slots is None or slots.shape != mesh.face_indices.shape or not np.issubdtype(slots.dtype, np.integer):
        return None
    return slots[corners].astype(np.int64)


def _gradients(corners: Float64, values: Float64) -> Float64:
    """Gradients [N, D, 3] of what is linear on triangles [N, 3, 3] with ``values`` [N, 3, D] at their corners."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(first, second)
    square = np.maximum((normal * normal).sum(axis=1, keepdims=True), 1e-300)
    rises = np.stack([np.cross(second, normal), np.cross(normal, first)], axis=1) / square[:, None]  # [N, 2, 3]
    return np.asarray(np.einsum("nkd,nka->nda", values[:, 1:] - values[:, :1], rises))


def _islands(triangles: Int64, uv: Float64) -> Int64:
    """Island of every triangle [T]: those that meet at a vertex with the same texture coordinates are of one."""
    key = np.concatenate([triangles.reshape(-1, 1), uv.reshape(-1, 2)], axis=1)  # [3 T, 3]
    order = np.lexsort(key.T)
    new = np.concatenate([[False], (np.diff(key[order], axis=0) != 0.0).any(axis=1)])
    number = np.empty(len(key), np.int64)
    number[order] = np.cumsum(new)
    joined = number.reshape(-1, 3)
    _, part = parts(int(number.max()) + 1, joined)
    return np.asarray(np.unique(part[joined[:, 0]], return_inverse=True)[1].reshape(-1), np.int64)
