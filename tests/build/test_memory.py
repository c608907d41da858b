"""The memory an extraction needs does not grow with the number of images."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders import SUPPORT
from grids import draw_folder

pytest.importorskip("resource")

BOUND_MIB = 15
SCRIPT = """
import resource, sys
sys.path.insert(0, sys.argv[3])
from grids import GridEncoder
from i2v_search import Collection
Collection.extract(sys.argv[1], [sys.argv[2]], encoder=GridEncoder())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mib(directory: Path, images: Path) -> float:
    here = os.fspath(SUPPORT)
    command = [sys.executable, "-c", SCRIPT, os.fspath(directory), os.fspath(images), here]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(result.stdout) / unit


def test_ten_times_the_images_take_the_same_memory(tmp_path: Path) -> None:
    few = peak_mib(tmp_path / "few", draw_folder(tmp_path / "200", 200))
    many = peak_mib(tmp_path / "many", draw_folder(tmp_path / "2000", 2000))
    print(f"200 images: {few:.1f} MiB, 2000 images: {many:.1f} MiB")
    assert many - few < BOUND_MIB
