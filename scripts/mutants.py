"""Change the code in small ways, one at a time, and see whether its tests notice: ``make mutants``.

Each mutant is one changed node of one module's syntax tree: a comparison, a boolean, a sum, a number, a
condition, a call or a raise left out. The tests that reach its line, as ``make coverage`` has recorded, run
on a copy of the checkout, which is itself never touched. What survives is printed: either a test is missing,
or the change means the same.
"""

import argparse
import ast
import copy
import itertools
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from coverage import CoverageData

ROOT = Path(__file__).parent.parent
PACKAGE = "i2v_search"

ROOMS = ("search", "index", "morph", "store", "build/upkeep")

#: As many tests are run on a mutant at most, those first that are most about its module.
_TESTS = 300

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


class Reached:
    """Which tests have run which lines, of a recorded ``.coverage`` file."""

    def __init__(self, recorded: Path) -> None:
        data = CoverageData(os.fspath(recorded))
        data.read()
        self._tests: dict[Path, dict[int, set[str]]] = {}
        for file in data.measured_files():
            lines = data.contexts_by_lineno(file)
            self._tests[Path(file).relative_to(recorded.parent / PACKAGE)] = {
                line: {context.rpartition("|")[0] for context in contexts if context}
                for line, contexts in sorted(lines.items())
            }
        #: Of each test, the lines it runs.
        self._sizes = Counter(
            test for lines in self._tests.values() for tests in lines.values() for test in tests
        )

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that run the line, or, where it only runs on import, any of the module's functions; those
        first that run little else."""
        lines = self._tests.get(mutant.module, {})
        bodies = _lines_of_functions(parsed(mutant.module))
        if mutant.line in bodies:
            # Of an expression over several lines only some are recorded.
            recorded = [line for line in lines if line <= mutant.line]
            tests = lines[recorded[-1]] if recorded else set()
        else:
            tests = set().union(*(found for line, found in lines.items() if line in bodies))
        here = Counter(test for found in lines.values() for test in found)
        return sorted(tests, key=lambda test: (-here[test] / self._sizes[test], test))


def _lines_of_functions(tree: ast.Module) -> set[int]:
    """The lines within the bodies of functions."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        line
        for node in functions
        for line in range(node.body[0].lineno, (node.end_lineno or node.body[-1].lineno) + 1)
    }


class Trial:
    """A copy of the checkout in which mutants are tried.

    Args:
        copied: the copy.
        timeout: seconds that the tests of one mutant may take; one that hangs is noticed.
    """

    def __init__(self, copied: Path, timeout: float) -> None:
        self._copied, self._timeout = copied, timeout
        self._failed = copied / ".pytest_cache" / "v" / "cache" / "lastfailed"
        #: Tests that fail in the copy without any change.
        self._broken: set[str] = set()

    def survives(self, mutant: Mutant, tests: list[str]) -> bool:
        """Whether all of the tests pass with the mutant in place, of those that pass without it."""
        path = self._copied / PACKAGE / mutant.module
        original = path.read_bytes()
        while chosen := [test for test in tests if test not in self._broken][:_TESTS]:
            try:
                path.write_text(source_of(mutant), encoding="utf-8")
                if self._pass(chosen):
                    return True
            except subprocess.TimeoutExpired:
                return False
            finally:
                path.write_bytes(original)
            # A process that died, or could not begin, has recorded none.
            failed = list(json.loads(self._failed.read_bytes())) if self._failed.exists() else chosen
            if self._pass(failed):
                return False
            self._broken.update(failed)
        return True

    def _pass(self, tests: list[str]) -> bool:
        self._failed.unlink(missing_ok=True)
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *tests],
            cwd=self._copied,
            env={**os.environ, "PYTHONPATH": os.fspath(self._copied), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=self._timeout,
            check=False,
            preexec_fn=_limit_memory,
        )
        return run.returncode == 0


def main() -> None:
    """Choose mutants evenly over the rooms, try each, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--count", type=int, default=200, help="mutants in all (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="other mutants (default 0)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that the tests of one may take")
    parser.add_argument("--recorded", type=Path, default=ROOT / ".coverage", help="by make coverage")
    options = parser.parse_args()
    reached = Reached(options.recorded.resolve())
    generator, chosen = random.Random(options.seed), list[Mutant]()
    for number, room in enumerate(options.rooms):
        modules = sorted((ROOT / PACKAGE / room).rglob("*.py"))
        found = [mutant for path in modules for mutant in mutants(path.relative_to(ROOT / PACKAGE))]
        count = (options.count + number) // len(options.rooms)
        chosen += generator.sample(found, min(count, len(found)))
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "copy"
        shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(".*", "__pycache__"), symlinks=True)
        trial, alive = Trial(copied, options.timeout), []
        for number, mutant in enumerate(chosen, start=1):
            started = time.perf_counter()
            tests = reached.tests_of(mutant)
            if trial.survives(mutant, tests):
                alive.append(mutant)
            said = "SURVIVED" if mutant in alive else "noticed"
            where = f"{mutant.module}:{mutant.line}"
            print(
                f"{number}/{len(chosen)} {said} {where} ({len(tests)} tests, "
                f"{time.perf_counter() - started:.0f} s): "
                f"{mutant.before!r} -> {mutant.after!r}",
                flush=True,
            )
    print(f"{len(alive)} of {len(chosen)} survived ({len(alive) / max(1, len(chosen)):.1%})")


if __name__ == "__main__":
    main()
