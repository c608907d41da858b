"""What an installation without torch can do, and what it says where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from i2v_search.images.sample import sample_directory

#: As if torch were not installed.
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in a folder, with a cache of its own and without torch."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"},
        timeout=120,
        check=False,
    )


def command(line: str) -> str:
    return f"from i2v_search.cli.main import main\nsys.argv = ['i2v-search', *{line.split()!r}]\nmain()"


def test_torch_is_blocked(tmp_path: Path) -> None:
    assert "No module named 'torch'" in run("import torch", tmp_path).stderr


def test_the_default_encoder_builds_searches_and_walks(tmp_path: Path) -> None:
    done = run(
        "from i2v_search import Collection\n"
        f"art = Collection.build('art', [{str(sample_directory() / 'birds')!r}])\n"
        "print(art.info().dimension, len(art.search('hen-01.webp').hits))\n"
        "print(len(art.morph(0, 9, steps=2).stops))\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["4096", "10", "4"]


def test_a_machine_with_a_gpu_uses_its_cpu(tmp_path: Path) -> None:
    done = run(
        "from i2v_search.encoders.networks import runtime\n"
        "runtime._may_have_gpu = lambda: True\n"
        "print(runtime.resolve_device('auto'))\n",
        tmp_path,
    )
    assert done.stdout.strip() == "cpu"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train art --out run", "training needs torch: pip install 'i2v-search[train]'"),
        ("extract art --device cuda", "device 'cuda' needs torch: pip install 'i2v-search[torch]'"),
        ("models import weights.pth", "a file of torch's, needs torch: pip install 'i2v-search[torch]'"),
        ("extract art --encoder lite0", "EfficientNet-Lite0 needs torch: pip install 'i2v-search[train]'"),
    ],
)
def test_what_needs_more_says_what_to_install(tmp_path: Path, line: str, message: str) -> None:
    art = tmp_path / "art"
    art.mkdir()
    (art / "tags.jsonl").write_text('{"path": "hen.webp", "tags": ["hen"]}\n')
    (art / "hen.webp").write_bytes((sample_directory() / "birds" / "hen-01.webp").read_bytes())
    torch.save({"conv1_1.bias": torch.zeros(64)}, tmp_path / "weights.pth")
    done = run(command(line), tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_evaluation_needs_no_torch(tmp_path: Path) -> None:
    done = run(
        "import i2v_search.training.evaluation.evaluation\nimport i2v_search.training.datasets.facts\n"
        "print('imported')",
        tmp_path,
    )
    assert done.stdout.strip() == "imported", done.stderr
