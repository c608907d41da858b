"""A foreign ONNX model tried in a separate process: ``python -P -m i2v_search.encoders.onnx_trial ORDER``.

A model is a program. One that never ends, takes all memory or brings ONNX Runtime down takes only that
process with it. The order is JSON on the command line, the answer JSON on standard output; the process ends
when its standard input does, so that it does not outlive the one that asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from i2v_search.encoders.base import EncoderInfo
from i2v_search.encoders.model_card import (
    MAX_DIMENSION,
    MAX_TAGS,
    TEXT_GRAPH,
    TOKENIZER,
    OnnxDescription,
    TextDescription,
)
from i2v_search.encoders.networks.runtime import GRAPH
from i2v_search.encoders.onnx import OnnxModel
from i2v_search.encoders.text_tower import TextTower
from i2v_search.errors import EncoderError


@dataclass(frozen=True)
class Trial:
    """Outputs of a model for an image.

    Attributes:
        dimension: dimension of the vector; None without a feature output.
        tags: how many; None without a tag output.
        text: dimension of the vector of a text; None without a text tower.
    """

    dimension: int | None
    tags: int | None
    text: int | None


def try_model(
    folder: Path, description: OnnxDescription, text: TextDescription | None, *, name: str, seconds: float
) -> Trial:
    """Run a model on two images, and its text tower on two texts.

    Args:
        folder: the model's folder.
        description: its input and outputs.
        text: those of its text tower; None without one.
        name: name of the file it came from, for messages.
        seconds: that it may take to be loaded and run.

    Raises:
        EncoderError: ONNX Runtime does not run it, it takes too long, or it is not as described; the message
            says what to change.
    """
    order = json.dumps(
        {
            "folder": os.fspath(folder),
            "description": description.model_dump(),
            "text": text and text.model_dump(),
        }
    )
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-P", "-m", "i2v_search.encoders.onnx_trial", order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe
            said = process.stdout.read()
            process.wait()
            late = not timer.is_alive()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        try:
            answer = json.loads(said)
        except ValueError:
            errors.seek(0)
            raise EncoderError(_no_answer(name, process.returncode, late, seconds, errors.read())) from None
    if "error" in answer:
        raise EncoderError(f"{name} cannot be used: {answer['error']}")
    return Trial(**answer)


def _no_answer(name: str, status: int, late: bool, seconds: float, errors: bytes) -> str:
    if late:
        return f"{name} did not finish two images in {seconds:g} s; if it is only slow, raise --seconds"
    last = errors.decode(errors="replace").strip().rpartition("\n")[2][:300]
    return f"{name} crashed the process that tested it ({last or f'exit status {status}'}); not imported"


def _answer(folder: Path, description: OnnxDescription, text: TextDescription | None) -> Trial:
    outputs = description.outputs
    model = OnnxModel(EncoderInfo("", "", "", 1), folder / GRAPH, description)
    side = description.size
    counts = model.widths([np.full((side, side, 3), value, np.uint8) for value in (0, 255)])
    named = dict(zip(outputs, counts, strict=True))
    for name, most, advice in (
        (description.output, MAX_DIMENSION, "choose an output pooled to one vector"),
        (description.tag_output, MAX_TAGS, "choose the output with the tag probabilities"),
    ):
        if name is not None and not 1 <= named[name] <= most:
            raise EncoderError(
                f"its output {name!r} has {named[name]} numbers per image, the limit is {most}; "
                f"{advice} (it has {', '.join(model.outputs)})"
            )
    return Trial(
        None if description.output is None else named[description.output],
        None if description.tag_output is None else named[description.tag_output],
        None if text is None else _text_dimension(TextTower(folder / TEXT_GRAPH, folder / TOKENIZER, text)),
    )


def _text_dimension(tower: TextTower) -> int:
    vectors = tower.encode_text(("a red house", "two cats in a tree"))
    if not np.isfinite(vectors).all() or np.array_equal(*vectors):
        raise EncoderError(
            "its text tower gives one vector for different texts; check the tokenizer and --text-output"
        )
    return len(vectors[0])


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main(arguments: Sequence[str]) -> None:
    """Try the model of the order and answer."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    order = json.loads(arguments[0])
    try:
        text = order["text"] and TextDescription(**order["text"])
        answer = asdict(_answer(Path(order["folder"]), OnnxDescription(**order["description"]), text))
    except EncoderError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
