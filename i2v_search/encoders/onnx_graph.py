"""The part of a foreign ONNX graph that computes the used outputs from an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from i2v_search.errors import EncoderError


def image_graph(model: Any, outputs: Sequence[str]) -> Any | None:
    """The part of a model that its image needs, such as the image tower of a CLIP.

    Args:
        model: an `onnx.ModelProto`.
        outputs: names of those that are used.

    Returns:
        A smaller `onnx.ModelProto` with the image as its only input and nothing but `outputs`, or None where
        the model has one input anyway.

    Raises:
        EncoderError: an output is missing, or needs other inputs than one image.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [entry.name for entry in graph.input if entry.name not in constants]
    given = [entry.name for entry in graph.output]
    for name in outputs:
        if name not in given:
            raise EncoderError(f"the model has no output {name!r}; available: {', '.join(given)}")
    if len(inputs) == 1:
        return None
    needed = _needed(graph, outputs)
    used = [name for name in inputs if name in needed]
    if len(used) != 1:
        alone = [name for name in given if sum(entry in _needed(graph, [name]) for entry in inputs) == 1]
        remedy = (
            f"choose one that needs a single input: {', '.join(alone)}" if alone else "export its image part"
        )
        raise EncoderError(
            f"output {' and '.join(outputs)} needs {_listed(used)}, but only the image is available; {remedy}"
        )
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


def _listed(names: Sequence[str]) -> str:
    return f"the inputs {', '.join(names)}" if names else "no input"
