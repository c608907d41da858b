"""Options by the name they had one release ago: they work, and say what they are called now."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

#: By command: old names of options, and their names now.
RENAMED = {
    "search": {"--engine": "--backend"},
    "morph": {"--engine": "--backend", "--not": "--avoid"},
    "serve": {"--engine": "--backend"},
}


class RenamedOptions(TyperCommand):
    """A command that takes old names of its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, old names of options replaced by what they are called now."""
        from i2v_search.cli.console import err

        renamed, end = RENAMED[self.name or ""], args.index("--") if "--" in args else len(args)
        for at, argument in enumerate(args[:end]):
            old, equals, value = argument.partition("=")
            if old in renamed:
                args[at] = f"{renamed[old]}{equals}{value}"
                err.print(f"warning: {old} is now {renamed[old]}", markup=False)
        return super().parse_args(ctx, args)
