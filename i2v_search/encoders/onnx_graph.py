"""The part of a foreign ONNX graph that computes the used outputs, such as one tower of a CLIP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from i2v_search.errors import EncoderError


def needed_inputs(model: Any, outputs: Sequence[str]) -> list[str]:
    """Names of the inputs that outputs of an `onnx.ModelProto` need, in the order of the model.

    Raises:
        EncoderError: an output is missing.
    """
    given = [entry.name for entry in model.graph.output]
    for name in outputs:
        if name not in given:
            raise EncoderError(f"the model has no output {name!r}; available: {', '.join(given)}")
    needed = _needed(model.graph, outputs)
    return [name for name in _inputs(model.graph) if name in needed]


def check_image_input(model: Any, outputs: Sequence[str]) -> None:
    """Check that outputs need nothing but one input, the image.

    Raises:
        EncoderError: they need others, or one is missing.
    """
    used = needed_inputs(model, outputs)
    if len(used) == 1 or len(_inputs(model.graph)) == 1:
        return
    given = [entry.name for entry in model.graph.output]
    alone = [name for name in given if len(needed_inputs(model, [name])) == 1]
    remedy = f"choose one that needs a single input: {', '.join(alone)}" if alone else "export its image part"
    needs = f"the inputs {', '.join(used)}" if used else "no input"
    raise EncoderError(
        f"output {' and '.join(outputs)} needs {needs}, but only the image is available; {remedy}"
    )


def graph_part(model: Any, outputs: Sequence[str]) -> Any | None:
    """The part of a model that computes some of its outputs.

    Args:
        model: an `onnx.ModelProto`.
        outputs: names of those that are used.

    Returns:
        A smaller `onnx.ModelProto` with only the inputs that it needs and nothing but `outputs`, or None
        where the model has one input anyway.
    """
    if len(_inputs(model.graph)) == 1:
        return None
    needed = _needed(model.graph, outputs)
    part = type(model)()
    part.CopyFrom(model)
    for field, keep in (
        (part.graph.input, needed),
        (part.graph.output, set(outputs)),
        (part.graph.initializer, needed),
    ):
        kept = [entry for entry in field if entry.name in keep]
        del field[:]
        field.extend(kept)
    nodes = [node for node in part.graph.node if needed.intersection(node.output)]
    del part.graph.node[:]
    part.graph.node.extend(nodes)
    return part


def _inputs(graph: Any) -> list[str]:
    constants = {tensor.name for tensor in graph.initializer}
    return [entry.name for entry in graph.input if entry.name not in constants]


def _needed(graph: Any, outputs: Sequence[str]) -> set[str]:
    """Names of all values from which `outputs` are computed, themselves included."""
    makers = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name in needed or not name:
            continue
        needed.add(name)
        if name in makers:
            waiting.extend(_read_by(makers[name]))
    return needed


def _read_by(node: Any) -> Iterator[str]:
    """Names that a node reads, also from inside its branches and loops, which see what is around them."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read_by(inner)
            yield from (entry.name for entry in graph.output)
