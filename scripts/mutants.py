"""Change the code in small ways, one at a time, and see whether its tests notice: ``make mutants``.

Each mutant is one changed node of one module's syntax tree: a comparison, a boolean, a sum, a number, a
condition, a call or a raise left out. The tests that are about the module run on a copy of the checkout,
which is itself never touched. What survives is printed: either a test is missing, or the change means the
same.
"""

import argparse
import ast
import copy
import itertools
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = "i2v_search"

#: The tests of a room, and more of them for some of its modules, which then run first.
ROOMS: dict[str, list[str]] = {
    "search/duplicates": ["duplicates", "copies_in_results"],
    "search": ["query", "filters", "ranking", "tag_ranking", "search", "paging", "batch"],
    "index": ["index", "scanners", "pca", "planner", "threads"],
    "morph": ["morph_graph", "morph_paths", "morph_gradual", "morph_layered", "morph_quality", "morph_route"],
    "store": ["store_checks", "store", "feature_file", "drives", "removals", "flipped_byte"],
    "build/upkeep": ["repair", "salvage", "compact", "relocate", "merge", "export"],
}
MODULES: dict[str, list[str]] = {
    "index/projection": ["pca"],
    "morph/describe": ["stops"],
    "morph/find": ["stops", "morph_walks"],
    "morph/graph/spanning": ["morph_spanning"],
    "morph/graph_file": ["graph_file"],
    "morph/plane": ["morph_pictures"],
    "store/path_patterns": ["filters", "where", "query"],
    "store/removals": ["removals", "away"],
    "store/writer": ["feature_file"],
    "build/upkeep/exporting": ["export"],
    "build/upkeep/hdf5_export": ["export"],
    "build/upkeep/merging": ["merge"],
    "build/upkeep/relocating": ["relocate"],
    "build/upkeep/rewriting": ["compact"],
}

#: Address space of the tests of one mutant.
_MEMORY = 8 * 2**30

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is},
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}


class Mutant(NamedTuple):
    """One change: the module, its number there, the line, and what stands there before and after."""

    module: Path
    number: int
    line: int
    before: str
    after: str


class Change(NamedTuple):
    """A node, where it hangs in its tree, and what may take its place."""

    parent: ast.AST
    field: str
    place: int
    node: ast.AST
    changed: ast.AST

    def apply(self) -> None:
        """Put the other node there."""
        value = getattr(self.parent, self.field)
        if isinstance(value, list):
            value[self.place] = self.changed
        else:
            setattr(self.parent, self.field, self.changed)


def mutate(node: ast.AST) -> ast.AST | None:
    """The node changed in the one way there is for its kind; None where there is none."""
    changed = copy.deepcopy(node)
    match changed:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARED:
            changed.ops = [_COMPARED[type(operator)]()]
        case ast.BinOp(op=operator, left=left) if type(operator) in _COMPUTED and not _is_text(left):
            changed.op = _COMPUTED[type(operator)]()
        case ast.BoolOp():
            changed.op = ast.Or() if isinstance(changed.op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not()):
            return changed.operand
        case ast.Constant(value=bool() as value):
            changed.value = not value
        case ast.Constant(value=int() as value):
            changed.value = value + 1
        case ast.If() | ast.IfExp() if not isinstance(changed.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            changed.test = ast.UnaryOp(ast.Not(), changed.test)
        case ast.Expr(value=ast.Call()) | ast.Raise():
            return ast.Pass()
        case _:
            return None
    return changed


def changes(tree: ast.AST) -> Iterator[Change]:
    """Every change of a module but of its types, always in the same order."""
    waiting = [tree]
    while waiting:
        parent = waiting.pop(0)
        for field, value in ast.iter_fields(parent):
            if field in {"annotation", "returns"}:
                continue
            for place, node in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(node, ast.AST):
                    waiting.append(node)
                    changed = mutate(node)
                    if changed is not None:
                        yield Change(parent, field, place, node, changed)


def parsed(module: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((ROOT / PACKAGE / module).read_text(encoding="utf-8"))


def mutants(module: Path) -> list[Mutant]:
    """Every mutant of a module."""
    return [
        Mutant(module, number, change.node.lineno, ast.unparse(change.node), ast.unparse(change.changed))  # type: ignore[attr-defined]
        for number, change in enumerate(changes(parsed(module)))
    ]


def source_of(mutant: Mutant) -> str:
    """The source of a module with one change."""
    tree = parsed(mutant.module)
    next(itertools.islice(changes(tree), mutant.number, None)).apply()
    return ast.unparse(ast.fix_missing_locations(tree))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _limit_memory() -> None:
    """A mutant may ask for any amount: an error is enough to notice it."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def survives(mutant: Mutant, copied: Path, timeout: float) -> bool:
    """Whether all tests about the module, and then all unit tests, pass with the mutant in place; one that
    hangs is noticed."""
    path = copied / PACKAGE / mutant.module
    original = path.read_bytes()
    name = mutant.module.with_suffix("").as_posix()
    room = next(room for room in ROOMS if name.startswith(f"{room}/"))
    tests = dict.fromkeys([*MODULES.get(name, []), *ROOMS[room]])
    files = [os.fspath(next((copied / "tests").rglob(f"test_{test}.py"))) for test in tests]
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": os.fspath(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        path.write_text(source_of(mutant), encoding="utf-8")
        return all(
            subprocess.run(
                [*pytest, *chosen],
                cwd=copied,
                env=environment,
                capture_output=True,
                timeout=timeout,
                check=False,
                preexec_fn=_limit_memory,
            ).returncode
            == 0
            for chosen in (files, ["-m", "unit", "tests"])
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        path.write_bytes(original)


def main() -> None:
    """Choose mutants evenly over the rooms, try each, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--count", type=int, default=200, help="mutants in all (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="other mutants (default 0)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that the tests of one may take")
    options = parser.parse_args()
    generator, chosen = random.Random(options.seed), list[Mutant]()
    for number, room in enumerate(options.rooms):
        modules = sorted((ROOT / PACKAGE / room).rglob("*.py"))
        found = [mutant for path in modules for mutant in mutants(path.relative_to(ROOT / PACKAGE))]
        count = (options.count + number) // len(options.rooms)
        chosen += generator.sample(found, min(count, len(found)))
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "copy"
        shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(".*", "__pycache__"), symlinks=True)
        alive = []
        for number, mutant in enumerate(chosen, start=1):
            started = time.perf_counter()
            if survives(mutant, copied, options.timeout):
                alive.append(mutant)
            said = "SURVIVED" if mutant in alive else "noticed"
            where = f"{mutant.module}:{mutant.line}"
            print(
                f"{number}/{len(chosen)} {said} {where} ({time.perf_counter() - started:.0f} s): "
                f"{mutant.before!r} -> {mutant.after!r}",
                flush=True,
            )
    print(f"{len(alive)} of {len(chosen)} survived ({len(alive) / max(1, len(chosen)):.1%})")


if __name__ == "__main__":
    main()
