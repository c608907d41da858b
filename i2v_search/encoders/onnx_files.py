"""Files of foreign ONNX models: read, and written into a model's folder with the weights beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from i2v_search.encoders.model_card import DATA
from i2v_search.encoders.onnx_graph import graph_part
from i2v_search.errors import EncoderError
from i2v_search.files import file_sha256, open_regular, read_regular

#: Weights begin at multiples of a page, so that ONNX Runtime can map them.
_ALIGNMENT: Final = 4096
_BLOCK: Final = 2**20


def read_model(file: Path) -> Any:
    """Parse an ONNX file; weights that it keeps in other files stay there.

    Returns:
        An `onnx.ModelProto`.

    Raises:
        EncoderError: it cannot be read, or is not an ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(read_regular(file))
    except OSError as error:
        raise EncoderError(f"{file} cannot be read: {error.strerror}") from None
    except (DecodeError, ValueError) as error:
        raise EncoderError(f"{file} is not an ONNX model ({error})") from error


def write_part(model: Any, file: Path, outputs: Sequence[str], target: Path) -> None:
    """Write the part of a model that computes some of its outputs.

    Args:
        model: from `read_model`; changed where it keeps weights in other files.
        file: the file it was read from.
        outputs: names of those that are used.
        target: the new file; weights of other files go into one beside it, with ``.data`` added to its name.
            Their SHA-256 becomes part of the graph.

    Raises:
        EncoderError: weights lie outside the model's folder, behind a link, or are incomplete.
    """
    part = graph_part(model, outputs) or model
    outside = [tensor for tensor in _tensors(part.graph) if tensor.external_data]
    if outside:
        data = target.with_name(target.name + DATA)
        with data.open("wb") as copy:
            _Weights(file, copy).take(outside, data.name)
        part.metadata_props.add(key="weights_sha256", value=file_sha256(data))
    if part is model and not outside:
        shutil.copyfile(file, target)
    else:
        target.write_bytes(part.SerializeToString())


class _Weights:
    """Copies weights from the files of a model into one.

    Args:
        file: the model.
        copy: the new file of weights.
    """

    def __init__(self, file: Path, copy: IO[bytes]) -> None:
        self._file, self._copy = file, copy
        self._places: dict[tuple[str, int, int], int] = {}
        self._left: dict[str, int] = {}

    def take(self, tensors: Sequence[Any], name: str) -> None:
        """Copy the weights of tensors, and let them refer to the new file of this name."""
        for tensor in tensors:
            stated = {entry.key: entry.value for entry in tensor.external_data}
            location = stated.get("location", "")
            path = self._inside(location)
            try:
                with open_regular(path) as weights:
                    offset, length = self._extent(tensor.name, stated, path)
                    place = self._places.get((location, offset, length))
                    if place is None:
                        place = self._append(weights, offset, length)
                        self._places[location, offset, length] = place
            except OSError as error:
                raise EncoderError(
                    f"{self._file} keeps weights in {location!r}, which cannot be read ({error.strerror}); "
                    "put that file beside the model"
                ) from error
            del tensor.external_data[:]
            for key, value in (("location", name), ("offset", place), ("length", length)):
                tensor.external_data.add(key=key, value=str(value))

    def _inside(self, location: str) -> Path:
        """The file of a location, which must be in the model's own folder."""
        relative = Path(location)
        if not location or "\0" in location or relative.anchor or ".." in relative.parts:
            raise EncoderError(
                f"{self._file} keeps weights in {location!r}, outside its own folder; put them beside the "
                "model and export it again"
            )
        path = self._file.parent
        for part in relative.parts:
            path /= part
            if path.is_symlink():
                raise EncoderError(
                    f"{self._file} keeps weights in {location!r}, which is a link; put the file itself "
                    "beside the model"
                )
        return path

    def _extent(self, tensor: str, stated: dict[str, str], path: Path) -> tuple[int, int]:
        size = path.stat().st_size
        try:
            offset = int(stated.get("offset", 0))
            length = int(stated.get("length", size - offset))
        except ValueError:
            offset = length = -1
        left = self._left.setdefault(stated["location"], size)
        repeated = (stated["location"], offset, length) in self._places
        if offset < 0 or length < 0 or offset + length > size or (length > left and not repeated):
            raise EncoderError(
                f"{self._file}: weight {tensor!r} is said to be {length} bytes at {offset} of {path.name}, "
                f"which has {size}; the file is incomplete, or of another model"
            )
        if not repeated:
            self._left[stated["location"]] -= length
        return offset, length

    def _append(self, weights: IO[bytes], offset: int, length: int) -> int:
        place = -(-self._copy.tell() // _ALIGNMENT) * _ALIGNMENT
        self._copy.seek(place)
        weights.seek(offset)
        while length:
            block = weights.read(min(length, _BLOCK))
            if not block:
                raise OSError(0, "it became shorter")
            self._copy.write(block)
            length -= len(block)
        return place


def _tensors(graph: Any) -> Iterator[Any]:
    """All constant tensors of a graph, its branches and loops included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
