from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, binary_fill_holes
from torch import Tensor

from backend.geometry.io import read_mesh
from backend.rendering.camera import Camera, OrbitCamera, blender_view, stack
from backend.rendering.silhouette import seen, silhouette
from protocol.blender_camera import BlenderCamera
from protocol.mesh import MeshData
from tests.meshes import grid, icosphere, torus
from tests.shared_data import shared_data


def arrays(mesh: MeshData) -> tuple[Tensor, Tensor]:
    return torch.tensor(mesh.positions(), dtype=torch.float64), torch.tensor(mesh.triangles(), dtype=torch.int64)


def orbit(side: int, azimuth: float = 45.0, elevation: float = 30.0, distance: float = 2.5) -> Camera:
    return OrbitCamera(azimuth, elevation, distance, side, side).camera()


def cow() -> tuple[Tensor, Tensor]:
    folder = shared_data()
    if folder is None:
        pytest.skip("the shared test data is not here")
    return arrays(read_mesh(folder / "bob_spot" / "target.obj"))


def weights(side: int) -> Tensor:
    """A smooth picture [side, side]: how much each pixel counts."""
    x = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    return torch.sin(5.0 * x)[None, :] + torch.cos(4.0 * x)[:, None] + x[:, None] * x[None, :]


def along(axis: int) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda points, step: points + step * torch.eye(3, dtype=points.dtype)[axis]


MOTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x": along(0),
    "y": along(1),
    "z": along(2),
    "scale": lambda points, step: points * (1.0 + step),
}


def both_slopes(image: Callable[[Tensor], Tensor], step: float) -> tuple[float, float]:
    """How a weighted sum of the image changes, by autograd and by central differences."""
    at = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def loss(t: Tensor) -> Tensor:
        picture = image(t)
        return (picture * weights(picture.shape[-1])).sum()

    (slope,) = torch.autograd.grad(loss(at), at)
    with torch.no_grad():
        difference = (loss(at + step) - loss(at - step)) / (2 * step)
    return float(slope), float(difference)


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("shape", ["ball", "ring"])
def test_gradients_of_moving_and_growing(motion: str, shape: str) -> None:
    points, faces = arrays(icosphere(3, 0.6) if shape == "ball" else torus(major=0.5, minor=0.2))
    camera = orbit(128, 20.0, 50.0)
    random = np.random.default_rng(5)
    slopes = []
    for _ in range(6):  # at several places between the pixels
        moved = points + torch.tensor(random.uniform(0.0, 0.05, 3))
        slopes.append(both_slopes(lambda t, at=moved: silhouette(MOTIONS[motion](at, t), faces, camera), 5e-3))
    found, wanted = np.array(slopes).T
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.03)
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).mean()


def test_gradients_of_single_vertices() -> None:
    points, faces = arrays(icosphere(2, 0.6))
    camera = orbit(96)
    moving = points.clone().requires_grad_()
    (silhouette(moving, faces, camera) * weights(96)).sum().backward()
    assert moving.grad is not None
    on_outline = moving.grad.norm(dim=1).nonzero()[:, 0]
    assert 15 <= len(on_outline) <= 60  # of 162: the others are not seen on the outline
    slopes = []
    for vertex in on_outline[::3].tolist():
        for axis in range(3):

            def image(t: Tensor, vertex: int = vertex, axis: int = axis) -> Tensor:
                step = torch.zeros_like(points)
                step[vertex, axis] = 1.0
                return silhouette(points + t * step, faces, camera)

            slopes.append(both_slopes(image, 2e-3))
    found, wanted = np.array(slopes).T
    assert np.linalg.norm(found - wanted) < 0.05 * np.linalg.norm(wanted)


def test_coverage_of_a_sphere_against_its_outline() -> None:
    points, faces = arrays(icosphere(5, 0.5))
    middle = torch.tensor([0.35, 0.2, -0.3], dtype=torch.float64)  # away from the axis, where it is no circle
    camera = orbit(128)
    image = silhouette(points + middle, faces, camera)[0].numpy()
    fine = 8  # per pixel and axis
    big = camera.resized(128 * fine, 128 * fine)
    u, v = np.meshgrid(*[(np.arange(128 * fine) + 0.5)] * 2)
    rays = np.stack(
        [(u - big.centre[0, 0]) / big.focal[0, 0], (v - big.centre[0, 1]) / big.focal[0, 1], np.ones_like(u)]
    )
    centre = camera.place(middle[None])[0, 0].numpy()
    cosine = np.einsum("i,ihw->hw", centre, rays) / np.linalg.norm(rays, axis=0) / np.linalg.norm(centre)
    inside = cosine > np.sqrt(1.0 - (0.5 / np.linalg.norm(centre)) ** 2)
    wanted = inside.reshape(128, fine, 128, fine).mean(axis=(1, 3))
    assert image.sum() == pytest.approx(wanted.sum(), rel=2e-3)
    assert np.abs(image - wanted).max() < 0.16  # a linear ramp is the covered area to an eighth of a pixel
    assert np.abs(image - wanted).mean() < 1e-3


def test_a_real_mesh_small_and_large() -> None:
    points, faces = cow()
    small = silhouette(points, faces, orbit(256))[0]
    large = silhouette(points, faces, orbit(1024))[0].reshape(256, 4, 256, 4).mean(dim=(1, 3))
    assert float(torch.minimum(small, large).sum() / torch.maximum(small, large).sum()) > 0.998
    inside = binary_erosion(small.numpy() > 0.5, iterations=2)
    assert (small.numpy()[inside] == 1.0).all()  # edges in front of the shape itself leave no trace


def test_no_pixel_is_lost_between_faces() -> None:
    points, faces = arrays(icosphere(5, 0.7))
    for kind in (torch.float32, torch.float64):
        face = seen(points.to(kind), faces, orbit(200, 12.3, 45.6)).face[0].numpy()
        assert (face >= 0).sum() > 5000
        assert np.array_equal(face >= 0, binary_fill_holes(face >= 0))


def brute_force(points: Tensor, faces: Tensor, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Nearest face and its depth, by the ray through every pixel's middle and every triangle."""
    placed = camera.place(points)[0].numpy()
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    (fx, fy), (cx, cy) = camera.focal[0], camera.centre[0]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u)], axis=-1)
    nearest, depth = np.full(u.shape, -1), np.full(u.shape, np.inf)
    for number, (a, b, c) in enumerate(placed[faces.numpy()]):
        if min(a[2], b[2], c[2]) <= 0.0:
            continue
        weights = np.linalg.solve(np.stack([a, b, c], axis=1), rays.reshape(-1, 3).T)  # the ray's ends on the plane
        hit = (weights >= 0.0).all(axis=0).reshape(u.shape)
        here = (1.0 / weights.sum(axis=0)).reshape(u.shape)
        closer = hit & (here < depth)
        nearest[closer], depth[closer] = number, here[closer]
    return nearest, depth


def test_what_is_seen_is_what_rays_hit() -> None:
    drawn = np.random.default_rng(4).normal(size=(60, 3, 3)) * [0.8, 0.8, 1.5]
    points, faces = torch.tensor(drawn).reshape(-1, 3), torch.arange(180).reshape(60, 3)
    camera = OrbitCamera(30.0, 10.0, 2.0, 48, 40).camera()
    found = seen(points, faces, camera)
    nearest, depth = brute_force(points, faces, camera)
    assert len(np.unique(nearest)) > 10
    assert (camera.place(points)[0, :, 2] < 0.0).any()
    assert np.array_equal(found.face[0].numpy(), nearest)
    np.testing.assert_allclose(found.depth[0].numpy(), depth, rtol=1e-9)
    image = silhouette(points, faces, camera)[0].numpy()
    assert np.array_equal(image > 0.5, nearest >= 0)
    assert image.min() >= 0.0
    assert image.max() <= 1.0


def test_depth_and_normals_of_a_plane() -> None:
    points, faces = arrays(grid(6, 2.0))
    slanted = points - 1.0
    slanted[:, 2] = 0.3 * slanted[:, 0] - 0.2 * slanted[:, 1] - 4.0
    camera = blender_view(BlenderCamera(tuple(map(tuple, np.eye(4).tolist())), 64, 48, shift_x=0.1))
    found = seen(slanted, faces, camera)
    hit = found.face[0] >= 0
    assert 300 < int(hit.sum()) < 48 * 64
    # Blender's camera has y upwards and looks along -z: depth d, at x = a d and y = b d, on z = 0.3 x - 0.2 y - 4.
    v, u = torch.meshgrid(torch.arange(48.0).double() + 0.5, torch.arange(64.0).double() + 0.5, indexing="ij")
    a = (u - camera.centre[0, 0]) / camera.focal[0, 0]
    b = -(v - camera.centre[0, 1]) / camera.focal[0, 1]
    wanted = 4.0 / (1.0 + 0.3 * a - 0.2 * b)
    torch.testing.assert_close(found.depth[0][hit], wanted[hit], rtol=1e-9, atol=0.0)
    normal = torch.tensor([-0.3, 0.2, 1.0], dtype=torch.float64)
    torch.testing.assert_close(found.normal[0][hit], (normal / normal.norm()).expand(int(hit.sum()), 3))
    turned = seen(slanted, faces.flip(1), camera)
    torch.testing.assert_close(turned.normal, found.normal)  # to the camera, however the faces are oriented
    assert torch.isinf(found.depth[0][~hit]).all()
    assert (found.normal[0][~hit] == 0.0).all()


def test_orientation_does_not_count_and_open_meshes_have_an_outline() -> None:
    points, faces = arrays(torus(major=0.5, minor=0.2))
    mixed = torch.where((torch.arange(len(faces)) % 3 == 0)[:, None], faces.flip(1), faces)
    camera = orbit(96)
    assert torch.equal(silhouette(points, mixed, camera), silhouette(points, faces, camera))
    sheet, squares = arrays(grid(1, 0.8))
    sheet = (sheet - torch.tensor([0.4, 0.4, 0.0])).requires_grad_()
    flat = silhouette(sheet, squares, orbit(100, 0.0, 0.0))
    side = 0.8 / 2.5 * 35 / 32 * 100  # pixels
    assert float(flat.detach().sum()) == pytest.approx(side**2, rel=1e-3)
    flat.sum().backward()
    assert sheet.grad is not None
    assert float((sheet.grad * sheet.detach()).sum()) == pytest.approx(2 * side**2, rel=0.02)  # d area / d log scale


def test_views_together_and_one_by_one() -> None:
    points, faces = arrays(icosphere(2, 0.6))
    points = points * torch.tensor([1.0, 0.7, 0.4])
    cameras = [orbit(64, azimuth) for azimuth in (0.0, 80.0, 215.0)]
    together = points.clone().requires_grad_()
    images = silhouette(together, faces, stack(cameras))
    (images * weights(64)).sum().backward()
    alone = points.clone().requires_grad_()
    for image, camera in zip(images, cameras, strict=True):
        single = silhouette(alone, faces, camera)
        torch.testing.assert_close(single[0], image)
        (single * weights(64)).sum().backward()
    torch.testing.assert_close(together.grad, alone.grad)
    shapes = torch.stack([points, 0.5 * points, points + 0.1])  # another shape in each view
    for image, shape, camera in zip(silhouette(shapes, faces, stack(cameras)), shapes, cameras, strict=True):
        torch.testing.assert_close(silhouette(shape, faces, camera)[0], image)


def test_nothing_to_see() -> None:
    points, faces = arrays(icosphere(1, 0.5))
    camera = orbit(32, 0.0, 0.0)  # stands at z = -2.5 and looks along z
    for shape, some in ((points - torch.tensor([0.0, 0.0, 5.0]), faces), (points + 9.0, faces), (points, faces[:0])):
        moving = shape.clone().requires_grad_()
        image = silhouette(moving, some, camera)
        image.sum().backward()
        assert moving.grad is not None
        assert (image == 0.0).all()
        assert (moving.grad == 0.0).all()
        assert (seen(shape, some, camera).face == -1).all()


def test_faces_behind_the_camera_are_left_out() -> None:
    points, faces = arrays(icosphere(3, 1.0))
    camera = orbit(32, 0.0, 0.0)
    around = (points - torch.tensor([0.0, 0.0, 2.5])).requires_grad_()  # the camera is inside
    image = silhouette(around, faces, camera)
    image.sum().backward()
    assert (image == 1.0).all()  # only what lies ahead is seen, and that fills the image
    assert around.grad is not None
    assert torch.isfinite(around.grad).all()
    one_behind = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.2, 0.1, -3.0]], dtype=torch.float64)
    triangle = torch.tensor([[0, 1, 2]])
    assert (silhouette(one_behind, triangle, camera) == 0.0).all()
    assert (silhouette(one_behind * torch.tensor([1.0, 1.0, 0.5]), triangle, camera) > 0.5).any()
    on_plane = points.clone()
    on_plane[:, 2] = -2.5  # every vertex in the camera's own plane
    assert (silhouette(on_plane, faces, camera) == 0.0).all()


def test_an_outline_beside_the_image_is_known() -> None:
    camera = orbit(64, 0.0, 0.0)
    sheet, squares = arrays(grid(1, 1.0))
    pixel = 2.5 / camera.focal[0, 0]
    for beyond in (0.3, 0.8):  # pixels between the image's left edge and that of the sheet; x runs to the left
        moved = sheet - 0.5
        moved[:, 2] = 0.0
        moved[:, 0] += (32 + beyond) * pixel - 0.5
        first = silhouette(moved, squares, camera)[0, 32, 0]
        assert float(first) == pytest.approx(min(1.0, 1.0 + beyond))
        moved[:, 0] -= 0.7 * pixel
        assert float(silhouette(moved, squares, camera)[0, 32, 0]) == pytest.approx(min(1.0, 0.3 + beyond))


def test_forward_and_backward_take_at_most_60_ms() -> None:
    points, faces = cow()
    moving = points.float().requires_grad_()
    camera = orbit(256)
    taken = []
    for _ in range(6):
        start = time.process_time()
        silhouette(moving, faces, camera).square().mean().backward()
        taken.append(time.process_time() - start)
    assert len(faces) == 5856
    assert min(taken) < 0.060
