"""Imports point one way: a room of ``segmentation`` stands on the rooms before it, and on ``graphpool``."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"base", "config"},
    {"scene_generator"},
    {"data", "models"},
    {"segments"},
    {"prediction", "teaching"},
    {"export"},
    {"training", "runs"},
    {"evaluation"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
COMMANDS = len(FLOORS)  # the files beside the rooms


def place(module: str) -> tuple[str, int]:
    """The room of a module, and its floor."""
    room = module.split(".")[1] if "." in module else ""
    return room, FLOOR.get(room, COMMANDS)


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a file imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_room_has_its_floor() -> None:
    rooms = {path.parent.name for path in (ROOT / "segmentation").glob("*/__init__.py")}
    assert rooms == set(FLOOR)


def test_no_two_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "segmentation").rglob("*.py") if not path.name.startswith("__")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("room", [*sorted(FLOOR), "commands"])
def test_rooms_import_what_stands_before_them(room: str) -> None:
    back = []
    for name, tree in modules("segmentation"):
        own, floor = place(name)
        if name == "segmentation" or (own if floor < COMMANDS else "commands") != room:
            continue
        for other in imported(tree):
            if other.startswith("segmentation."):
                its, lower = place(other)
                if its != own and lower >= floor:
                    back.append(f"{name} imports {other}")
    assert not back


def test_graphpool_stands_alone() -> None:
    found = {other.split(".")[0] for _, tree in modules("graphpool") for other in imported(tree)}
    assert not found & {"segmentation", "benchmarks", "tests", "timm", "scipy", "PIL", "click"}


@pytest.mark.parametrize("package", ["graphpool", "segmentation"])
def test_no_circles(package: str) -> None:
    trees = dict(modules(package))
    needs: dict[str, set[str]] = {}
    for name, tree in trees.items():
        body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))]
        found = set(imported(ast.Module(body, [])))
        needs[name] = {other if other in trees else other.rpartition(".")[0] for other in found} & set(trees) - {name}
    TopologicalSorter(needs).prepare()  # raises a CycleError that names the circle
