"""``bench``: measures quality and speed on this machine and writes the table, ``docs/BENCHMARKS.md``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.commands.parser import Parser, choice, seconds, whole_number

PARTS = (
    "quality", "surfaces", "correspondence", "presets", "speed", "distance-fields", "one-lipschitz", "shape-space",
    "mesh-sdf", "single-view", "memory",
)  # fmt: skip


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="folder with a manifest.json of pairs; default: the shipped fox alone")
    add("--pairs", nargs="+", metavar="ID", default=[], help="only these pairs of the manifest")
    add("--seconds", type=seconds, default=60.0, metavar="S", help="training budget of every pair; default 60")
    add("--parts", nargs="+", type=choice(*PARTS), default=list(PARTS), help=f"{', '.join(PARTS)}; default: all")
    add(
        "--seeds",
        type=whole_number(1, 100),
        default=1,
        metavar="N",
        help="how often distance-fields repeats the fit to points without normals; default 1",
    )
    add("--million", action="store_true", help="measure the memory that a million vertices take, too")
    add(
        "--published",
        action="store_true",
        help="measure the presets with the papers' budgets: minutes on a GPU, hours without",
    )
    add("--out", type=Path, metavar="FILE", help="write the Markdown there; sections it has of other parts stay")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.bench.correspondence import measure_correspondence
    from backend.commands.bench.distance_fields import measure_distance_fields
    from backend.commands.bench.extraction import measure_extraction
    from backend.commands.bench.mesh_sdf import measure_mesh_sdf
    from backend.commands.bench.one_lipschitz import measure_one_lipschitz
    from backend.commands.bench.pairs import SHIPPED, find_pairs
    from backend.commands.bench.presets import measure_presets, presets_table
    from backend.commands.bench.quality import measure_pair, quality_table
    from backend.commands.bench.scale import measure_memory
    from backend.commands.bench.shape_space import measure_spaces
    from backend.commands.bench.single_view import measure_single_view
    from backend.commands.bench.speed import measure_baking, measure_start, measure_streaming
    from backend.commands.bench.surfaces import measure_surfaces, surfaces_table
    from backend.commands.bench.table import document, figures_table
    from backend.commands.progress import Progress

    sections: dict[str, str] = {}
    with Progress() as progress:
        if "quality" in arguments.parts:
            rows = []
            for pair in find_pairs(arguments.data, arguments.pairs):
                progress.note(f"{pair.name}: training for {arguments.seconds:g} s")
                rows.append(measure_pair(pair, arguments.seconds))
            sections["quality"] = quality_table(rows, arguments.seconds)
        if "surfaces" in arguments.parts:
            lines = []
            for pair in find_pairs(arguments.data, arguments.pairs):
                progress.note(f"{pair.name}: surfaces of their own")
                lines.append(measure_surfaces(pair))
            sections["surfaces"] = surfaces_table(lines)
        if "correspondence" in arguments.parts:
            pairs = find_pairs(arguments.data, arguments.pairs)
            sections["correspondence"] = measure_correspondence(pairs, progress.note)
        if "presets" in arguments.parts:
            progress.note("every method and preset")
            found = measure_presets(SHIPPED, arguments.published)
            sections["presets"] = presets_table(found, SHIPPED, arguments.published)
        if "speed" in arguments.parts:
            progress.note("speed: start, baking, streaming, extraction")
            figures = [*measure_start(), *measure_baking(), *measure_streaming(), *measure_extraction()]
            sections["speed"] = figures_table("Speed", figures)
        if "distance-fields" in arguments.parts:
            sections["distance-fields"] = measure_distance_fields(
                arguments.data, arguments.pairs, arguments.seeds, progress.note
            )
        if "one-lipschitz" in arguments.parts:
            progress.note("1-Lipschitz networks")
            sections["one-lipschitz"] = figures_table("1-Lipschitz networks", measure_one_lipschitz())
        if "shape-space" in arguments.parts:
            pairs = find_pairs(arguments.data, arguments.pairs)
            sections["shape-space"] = measure_spaces(pairs, progress.note)
        if "mesh-sdf" in arguments.parts:
            sections["mesh-sdf"] = measure_mesh_sdf(find_pairs(arguments.data, arguments.pairs), progress.note)
        if "single-view" in arguments.parts:
            sections["single-view"] = measure_single_view(progress.note)
        if "memory" in arguments.parts:
            progress.note("memory")
            sections["memory"] = figures_table("Peak memory of `morph`", measure_memory(arguments.million))
    written = arguments.out is not None and arguments.out.is_file()
    text = document(arguments.out.read_text(encoding="utf-8") if written else "", sections, arguments)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0
