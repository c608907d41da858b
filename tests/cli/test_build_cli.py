"""What `build` and `extract` say: what is kept when they are stopped, and nothing that is not new."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw, draw_folder
from typer.testing import CliRunner

from i2v_search.cli.main import app
from i2v_search.store.feature_store import FeatureStore


class _Stopping(GridEncoder):
    """Somebody presses Ctrl-C while the third batch is encoded."""

    batch_size = 2

    def encode(self, inputs: Any) -> Any:
        if self.encoded >= 4:
            signal.raise_signal(signal.SIGINT)
        return super().encode(inputs)


@pytest.mark.parametrize("command", ["build", "extract"])
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, kept = draw_folder(tmp_path / "art", 9), tmp_path / "c"
    monkeypatch.setattr("i2v_search.build.features.load_encoder", lambda *_: _Stopping())
    done = CliRunner().invoke(app, [command, str(images), "-c", str(kept)])
    assert done.exit_code == 130
    count = len(FeatureStore(kept))
    assert 0 < count < 9
    assert " ".join(done.stderr.split()) == (
        f"stopped: {kept} keeps {count} images; run the same command again to continue"
    )
    encoder = GridEncoder()
    monkeypatch.setattr("i2v_search.build.features.load_encoder", lambda *_: encoder)
    assert CliRunner().invoke(app, [command, str(images), "-c", str(kept)]).exit_code == 0
    assert (len(FeatureStore(kept)), encoder.encoded) == (9, 9 - count)


def test_ctrl_c_before_anything_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    images = draw_folder(tmp_path / "art", 1)
    monkeypatch.setattr("i2v_search.build.features.load_encoder", stop)
    done = CliRunner().invoke(app, ["build", str(images), "-c", str(tmp_path / "c")])
    assert (done.exit_code, done.stderr) == (130, "stopped; nothing was written\n")


def test_an_index_that_is_there_is_not_told_of_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, kept = draw_folder(tmp_path / "art", 300), str(tmp_path / "c")
    monkeypatch.setattr("i2v_search.build.features.load_encoder", lambda *_: GridEncoder())
    arguments = ["build", str(images), "-c", kept, "--kind", "codes"]
    first, second = (CliRunner().invoke(app, arguments).stdout for _ in range(2))
    assert "build time" in first
    assert second.splitlines() == [f"300 images in {kept}: 0 encoded, 300 unchanged"]
    draw(images / "new.png", 1000)
    assert "build time" in CliRunner().invoke(app, arguments).stdout
