"""Print the lowest versions that pyproject.toml allows, as constraints for pip: ``make lowest``.

PyTorch keeps the version of constraints.txt, which is built for CPUs alone: others bring gigabytes for GPUs.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What users install; the tools of the tests may be of any version.
EXTRAS = ("map", "milvus", "ray", "text", "train", "lite")


def lowest(requirement: str) -> str | None:
    """The constraint that holds a requirement at its lowest version; None where it names none.

    >>> lowest("ray[client,data]>=2.52"), lowest("pymilvus>=3.0,<4; sys_platform != 'win32'")
    ('ray==2.52', 'pymilvus==3.0')
    """
    found = re.match(r"([\w.-]+)(?:\[[^]]*\])?>=([\w.]+)", requirement)
    return f"{found[1]}=={found[2]}" if found else None


def main() -> None:
    """Print them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    print(*filter(None, map(lowest, requirements)), sep="\n")
    print(*(line for line in pinned if line.startswith("torch==")), sep="\n")


if __name__ == "__main__":
    main()
