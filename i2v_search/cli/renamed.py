"""Options of one release ago: under their old names they work, and what is gone says what does it now."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

#: By command: old names of options, and their names now.
RENAMED = {
    "import": {"--logits": "--activation=sigmoid"},
    "search": {"--engine": "--backend"},
    "morph": {"--engine": "--backend", "--not": "--avoid"},
    "serve": {"--engine": "--backend"},
}


#: By command: options that are gone, and what does it now.
GONE = {"index": dict.fromkeys(("--reduced", "--no-reduced"), "i2v-search export FILE.npy --pca 256")}


class RenamedOptions(TyperCommand):
    """A command that takes old names of its options, and skips those that are gone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, with old option names replaced by the new ones."""
        from i2v_search.cli.console import err

        name, end = self.name or "", args.index("--") if "--" in args else len(args)
        renamed, gone = RENAMED.get(name, {}), GONE.get(name, {})
        for option in [argument for argument in args[:end] if argument in gone]:
            args.remove(option)
            end -= 1
            err.print(f"warning: {option} does nothing now; see {gone[option]}", markup=False)
        for at, argument in enumerate(args[:end]):
            old, equals, value = argument.partition("=")
            if old in renamed:
                args[at] = f"{renamed[old]}{equals}{value}"
                err.print(f"warning: {old} is now {renamed[old]}", markup=False)
        return super().parse_args(ctx, args)
