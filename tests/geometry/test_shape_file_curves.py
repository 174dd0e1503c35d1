"""Polylines out of OBJ, PLY, SVG, DXF and arrays: curves flattened, ends joined, loops told from clouds."""

from __future__ import annotations

from pathlib import Path

import ezdxf
import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.outline import outline_of
from backend.geometry.shape import Shape
from backend.geometry.shape_file import read_shape
from backend.geometry.svg_format import svg_bytes
from protocol.mesh import MeshError
from tests.shared_data import shared_data

TURN = np.linspace(0.0, 2.0 * np.pi, 101)
RING = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)  # closed, first point = last up to rounding
HELIX = np.stack([np.cos(3 * TURN), np.sin(3 * TURN), TURN], axis=1)
NEEDED = pytest.mark.skipif(shared_data() is None, reason="the shared test data is not here")


def svg(path: Path, body: str, head: str = 'viewBox="0 0 100 100"') -> Shape:
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {head}>{body}</svg>')
    return read_shape(path)


def area(shape: Shape) -> float:
    """What the lines of a shape in the plane enclose."""
    assert shape.segments is not None
    outline = outline_of(shape.points, shape.segments)
    a, b = outline.points[outline.segments[:, 0]], outline.points[outline.segments[:, 1]]
    return float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2)


def degrees(shape: Shape) -> NDArray[np.int64]:
    assert shape.segments is not None
    return np.bincount(shape.segments.reshape(-1), minlength=len(shape.points))


def test_lines_of_an_obj_meet_where_their_ends_do(tmp_path: Path) -> None:
    (tmp_path / "l.obj").write_text("v 0 0 5\nv 1 0 5\nv 1 1 5\nv 1 1 5\nv 0 1 5\nl 1 2 3\nl 4 5 1 # back\nl -5 -4\n")
    shape = read_shape(tmp_path / "l.obj")
    assert (shape.kind, shape.dimension) == ("polyline", 2)
    assert area(shape) == pytest.approx(1.0)


def test_lines_in_space_keep_their_height(tmp_path: Path) -> None:
    (tmp_path / "l.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 1\nl 1 2 3\n")
    shape = read_shape(tmp_path / "l.obj")
    assert (shape.dimension, len(shape.points)) == (3, 3)


@pytest.mark.parametrize("line", ["l 1 9", "l 0 1", "l -4 1"])
def test_a_line_to_a_vertex_that_is_not_there(tmp_path: Path, line: str) -> None:
    (tmp_path / "l.obj").write_text(f"v 0 0 0\nv 1 0 0\nv 1 1 0\n{line}\n")
    with pytest.raises(MeshError, match=r"refers to a vertex that does not exist \(there are 3\)"):
        read_shape(tmp_path / "l.obj")


def test_edges_of_a_ply(tmp_path: Path) -> None:
    header = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element edge 3\nproperty int vertex1\nproperty int vertex2\nend_header\n"
    (tmp_path / "e.ply").write_text(header + "0 0 0\n1 0 0\n0 1 0\n0 1\n1 2\n2 0\n")
    assert area(read_shape(tmp_path / "e.ply")) == pytest.approx(0.5)


def test_svg_shapes_and_curves_have_their_areas(tmp_path: Path) -> None:
    cases = {
        '<circle cx="50" cy="40" r="20"/>': np.pi * 400,
        '<ellipse cx="50" cy="40" rx="20" ry="10"/>': np.pi * 200,
        '<rect x="10" y="10" width="30" height="20"/>': 600.0,
        '<polygon points="0,0 10,0 0,10"/>': 50.0,
        '<path d="M0 0 Q 10 20 20 0 Z"/>': 2 / 3 * 20 * 10,  # two thirds of base times height
        '<path d="M0 0 C 0 30 30 30 30 0 Z"/>': 0.6 * 30 * 30,
        '<path d="M20 50 A 30 30 0 0 1 80 50 Z"/>': np.pi * 450,
        '<path d="M0 0 H 40 V 40 H 0 Z M 10 10 H 20 V 20 H 10 Z"/>': 1500.0,
        '<g transform="translate(20 5) rotate(30) scale(2 3)"><rect width="4" height="5"/></g>': 120.0,
        '<defs><path id="p" d="M0 0h3v3h-3z"/></defs><use href="#p" x="50"/>': 9.0,
        '<rect width="9" height="9"/><rect x="50" width="9" height="9" style="display:none"/>': 81.0,
    }
    for body, wanted in cases.items():
        assert area(svg(tmp_path / "s.svg", body)) == pytest.approx(wanted, rel=2e-3), body


def test_svg_curves_are_flattened_to_a_ten_thousandth_of_the_drawing(tmp_path: Path) -> None:
    shape = svg(tmp_path / "s.svg", '<circle cx="0" cy="0" r="10"/>')
    assert shape.segments is not None
    middles = shape.points[shape.segments].mean(axis=1)
    assert np.abs(np.linalg.norm(shape.points, axis=1) - 10.0).max() < 1e-3
    assert 10.0 - np.linalg.norm(middles, axis=1).min() < 1e-4 * 20.0 * np.sqrt(2.0)
    assert len(shape.points) < 200


@pytest.mark.parametrize("head", ['viewBox="-5 -5 40 40" width="300mm" height="300mm"', "", 'viewBox="-5 -5 40 40"'])
def test_svg_coordinates_are_those_of_the_view_box_with_y_upwards(tmp_path: Path, head: str) -> None:
    shape = svg(tmp_path / "s.svg", '<polyline points="1,2 30,4 7,25"/>', head)
    np.testing.assert_allclose(shape.points, [[1, -2], [30, -4], [7, -25]], atol=1e-5)
    assert degrees(shape).tolist() == [1, 2, 1]


def test_pieces_that_meet_nearly_become_one_loop(tmp_path: Path) -> None:
    body = '<path d="M0 0 L 50 0"/><path d="M50.0001 0 L 50 50"/><path d="M0 0 L 0 50 L 50 50"/>'
    shape = svg(tmp_path / "s.svg", body)
    assert (degrees(shape) == 2).all()
    assert area(shape) == pytest.approx(2500.0, rel=1e-4)


def test_loops_go_through_svg_and_back(tmp_path: Path) -> None:
    loops = [1000.0 + 3.0 * RING, 1000.0 + RING[::-1]]
    (tmp_path / "out.svg").write_bytes(svg_bytes(loops))
    shape = read_shape(tmp_path / "out.svg")
    np.testing.assert_allclose(shape.points, np.concatenate([loop[:-1] for loop in loops]), atol=1e-5)
    assert area(shape) == pytest.approx(8 * 100 / 2 * np.sin(2 * np.pi / 100), rel=1e-4)


def test_no_loops_are_an_empty_svg(tmp_path: Path) -> None:
    (tmp_path / "out.svg").write_bytes(svg_bytes([]))
    with pytest.raises(MeshError, match="there are no paths in it"):
        read_shape(tmp_path / "out.svg")


BROKEN = {
    "cut.svg": (b"<svg><path", "cannot be read as SVG"),
    "other.svg": (b"<html/>", "cannot be read as SVG"),
    "text.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><text>hi</text></svg>', "there are no paths in it"),
    "dot.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 1 L1 1"/></svg>', "no line has a length"),
    "cut.dxf": (b"0\nSECTION\n2\nENTITIES\n0\nLINE", "DXF|model space"),
    "no.dxf": (b"not a drawing", "DXF|model space"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_drawing_is_told_with_its_name(tmp_path: Path, name: str) -> None:
    data, words = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MeshError, match=words) as raised:
        read_shape(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")


def test_dxf_curves_and_blocks(tmp_path: Path) -> None:
    drawing = ezdxf.new()
    space = drawing.modelspace()
    space.add_circle((0, 0), 2)
    space.add_lwpolyline([(5, 0), (6, 0), (6, 1), (5, 1)], close=True)
    block = drawing.blocks.new("half")
    block.add_arc((0, 0), 1, 0, 180)
    block.add_line((-1, 0), (1, 0))
    space.add_blockref("half", (10, 0), dxfattribs={"xscale": 2, "yscale": 2, "rotation": 30})
    space.add_ellipse((20, 0), (3, 0), 0.5)
    drawing.saveas(tmp_path / "d.dxf")
    shape = read_shape(tmp_path / "d.dxf")
    assert (shape.kind, shape.dimension) == ("polyline", 2)
    assert (degrees(shape) == 2).all()
    assert area(shape) == pytest.approx(4 * np.pi + 1 + 2 * np.pi + 4.5 * np.pi, rel=3e-3)


def test_dxf_lines_in_space_and_points(tmp_path: Path) -> None:
    drawing = ezdxf.new()
    drawing.modelspace().add_line((0, 0, 0), (1, 2, 3))
    drawing.saveas(tmp_path / "l.dxf")
    np.testing.assert_array_equal(read_shape(tmp_path / "l.dxf").points, [[0, 0, 0], [1, 2, 3]])
    drawing = ezdxf.new()
    for point in HELIX:
        drawing.modelspace().add_point(tuple(point))
    drawing.saveas(tmp_path / "p.dxf")
    cloud = read_shape(tmp_path / "p.dxf")
    assert cloud.kind == "cloud"
    np.testing.assert_allclose(cloud.points, HELIX, atol=1e-12)


@pytest.mark.parametrize(
    ("points", "kind", "segments"),
    [
        (RING, "polyline", 100),  # closed, once with its first point at the end
        (RING[:-1], "polyline", 100),  # and once without
        (RING[:60], "polyline", 59),  # ends far apart: open
        (HELIX, "polyline", 100),
        (np.array([[0.0, 0], [2, 0], [2, 1], [0, 1]]), "polyline", 4),  # a few points in the plane: a polygon
        (np.random.default_rng(0).permutation(RING), "cloud", 0),
        (np.random.default_rng(0).normal(size=(300, 2)), "cloud", 0),
        (np.random.default_rng(0).normal(size=(6, 3)), "cloud", 0),  # a few in space: chance
    ],
)
def test_an_array_is_a_curve_where_neighbours_follow_each_other(
    tmp_path: Path, points: NDArray[np.float64], kind: str, segments: int
) -> None:
    np.save(tmp_path / "a.npy", points)
    shape = read_shape(tmp_path / "a.npy")
    assert shape.kind == kind
    assert (0 if shape.segments is None else len(shape.segments)) == segments


def test_rows_of_a_scan_are_no_curve(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.arange(30.0), np.arange(30.0))
    rng = np.random.default_rng(0)
    points = np.stack([x, y, np.sin(x / 5)], axis=-1).reshape(-1, 3) + 0.05 * rng.normal(size=(900, 3))
    np.save(tmp_path / "scan.npy", points)
    assert read_shape(tmp_path / "scan.npy").kind == "cloud"


def test_a_kind_overrides(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RING[:60])
    (tmp_path / "a.xyz").write_text("".join(f"{x} {y} {z}\n" for x, y, z in HELIX.tolist()))
    found = {kind: read_shape(tmp_path / "a.npy", kind) for kind in ("cloud", "polyline", "loop")}
    assert [0 if s.segments is None else len(s.segments) for s in found.values()] == [0, 59, 60]
    assert read_shape(tmp_path / "a.xyz").kind == "cloud"
    assert read_shape(tmp_path / "a.xyz", "polyline").kind == "polyline"


@NEEDED
def test_shared_polylines_enclose_the_same_in_every_format() -> None:
    folder = shared_data()
    assert folder is not None
    wanted = {
        "wrench": (["wrench.obj", "wrench_outer.npy"], None),
        "cycloidal": (["cycloidal.obj", "cycloidal_outer.npy"], 1e-3),
        "mil": (["mil.obj", "mil.svg"], 1e-3),  # the SVG is a heap of strokes, some of them there twice
    }
    for names, close in wanted.values():
        shapes = [read_shape(folder / "polylines" / name) for name in names]
        assert all((s.kind, s.dimension) == ("polyline", 2) for s in shapes)
        areas = [area(shape) for shape in shapes]
        if close is not None:
            assert areas[1] == pytest.approx(areas[0], rel=close)
        else:
            assert 0 < areas[0] < areas[1]  # without its hole


@NEEDED
def test_shared_clouds_are_clouds() -> None:
    folder = shared_data()
    assert folder is not None
    for name in ("milk_scan.xyz", "milk_scan.npy", "bunny_one_view.xyz", "bunny_unoriented.npy"):
        shape = read_shape(folder / "point_clouds" / name)
        assert (shape.kind, shape.dimension, shape.normals) == ("cloud", 3, None)
