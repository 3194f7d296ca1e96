"""Draw the rooms of the package, floor by floor, and check the rules that keep it easy to walk through.

    python docs/tree.py

A room is a folder or a file directly under ``evo_ensyth/``. Floors are the layers of the first import contract in
``pyproject.toml``. The exit status is 1 if an import goes up or in a circle, if there are more than 8 floors or 8 files
at the top of the package, or if a module is longer than 400 lines.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

PACKAGE = "evo_ensyth"
MOST_FLOORS = 8
MOST_FILES_AT_THE_TOP = 8
MOST_LINES = 400


@dataclass(frozen=True)
class Tree:
    """What the package consists of.

    Attributes
    ----------
    imports : mapping of module to the modules it imports
        Imports inside functions count, those for type checking alone do not.
    lines : mapping of module to its number of lines
    is_folder : mapping of room to whether it is a folder
    floors : rooms by floor, the highest first
    """

    imports: dict[str, set[str]]
    lines: dict[str, int]
    is_folder: dict[str, bool]
    floors: list[list[str]]

    def rooms(self) -> dict[str, set[str]]:
        """Rooms, and the rooms that each imports from."""
        rooms: dict[str, set[str]] = {room: set() for room in self.is_folder}
        for module, imported in self.imports.items():
            if module != PACKAGE:  # its own file only names what others hold
                rooms[_room(module)] |= {_room(name) for name in imported if name != PACKAGE} - {_room(module)}
        return rooms

    def going_up(self) -> list[tuple[str, str]]:
        """Modules that import from a higher floor, and what they import."""
        floor = {room: level for level, rooms in enumerate(self.floors) for room in rooms}
        pairs = [(module, name) for module in self.imports if module != PACKAGE for name in self.imports[module]]
        return sorted(pair for pair in pairs if pair[1] != PACKAGE and floor[_room(pair[1])] < floor[_room(pair[0])])

    def broken_rules(self) -> list[str]:
        """One line for each rule that does not hold."""
        circles = [_circle(self.imports), _circle(self.rooms())]
        broken = [f"a circle: {' -> '.join(circle)}" for circle in circles if circle]
        broken += [f"{module} imports {name}, from a higher floor" for module, name in self.going_up()]
        if len(self.floors) > MOST_FLOORS:
            broken.append(f"{len(self.floors)} floors; at most {MOST_FLOORS}")
        top = sorted(room for room, folder in self.is_folder.items() if not folder)
        if len(top) + 1 > MOST_FILES_AT_THE_TOP:
            broken.append(
                f"{len(top) + 1} files at the top: __init__, {', '.join(top)}; at most {MOST_FILES_AT_THE_TOP}"
            )
        long = [(module, n) for module, n in sorted(self.lines.items()) if n > MOST_LINES]
        return broken + [f"{module} has {n} lines; at most {MOST_LINES}" for module, n in long]

    def drawing(self) -> str:
        """The floors from the top down, each room with its files, its lines, and the rooms it imports from."""
        lines = [f"{'floor':<7}{'room':<14}{'files':>5}{'lines':>8}{'longest':>9}  imports from"]
        rooms = self.rooms()
        for level, floor in enumerate(self.floors):
            for i, room in enumerate(sorted(floor)):
                sizes = [n for module, n in self.lines.items() if module != PACKAGE and _room(module) == room]
                name = f"{room}/" if self.is_folder[room] else f"{room}.py"
                below = ", ".join(sorted(rooms[room]))
                number = "" if i else len(self.floors) - level
                lines.append(f"{number:<7}{name:<14}{len(sizes):>5}{sum(sizes):>8,}{max(sizes):>9}  {below}".rstrip())
        return "\n".join(lines)


def read_tree() -> Tree:
    """Read the package's imports and lengths from its source."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    root = Path(__file__).parents[1] / PACKAGE
    lines, is_folder = {}, {}
    for path in root.rglob("*.py"):
        relative = path.relative_to(root)
        parts = [*relative.parent.parts, *([] if path.stem == "__init__" else [path.stem])]
        lines[".".join((PACKAGE, *parts))] = len(path.read_text(encoding="utf-8").splitlines())
        if parts:
            is_folder[parts[0]] = len(relative.parts) > 1
    with (root.parent / "pyproject.toml").open("rb") as file:
        layers = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]["layers"]
    return Tree(imports, lines, is_folder, [re.split(r" *[:|] *", layer) for layer in layers])


def main() -> None:
    """Print the drawing, and what breaks a rule."""
    tree = read_tree()
    print(tree.drawing())
    broken = tree.broken_rules()
    print("\n".join(["", *broken]) if broken else "\nno circle, no import upwards")
    sys.exit(bool(broken))


def _room(module: str) -> str:
    return module.split(".")[1]


def _circle(imports: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []


if __name__ == "__main__":
    main()
