"""The catalogue of published models: ``data/models.toml``.

Each entry says where the files of a model lie, how large they are, their SHA-256, and how an image becomes
the input: the fields of `OnnxDescription`, where ``output`` and ``tag_output`` may also be a place among the
graph's outputs, whose names differ between exports.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from i2v_search.encoders.model_card import OnnxDescription
from i2v_search.errors import EncoderError
from i2v_search.files import read_regular

Role: TypeAlias = Literal["model", "tags", "text", "tokenizer"]
#: What a model needs to encode text.
TEXT_ROLES: Final[tuple[Role, ...]] = ("text", "tokenizer")
_HUB = "https://huggingface.co"
#: Most bytes of a file whose size nobody recorded, as a multiple of its approximate size.
_SLACK = 2
_RelativePath = Annotated[str, Field(pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KnownFile(_Table):
    """A file of a model.

    Attributes:
        path: its path in the repository or the release.
        role: what it is to the import.
        size: its bytes; None where nobody recorded them.
        about: its approximate bytes, where `size` is None.
        sha256: its SHA-256, or the beginning of it where no more was recorded; of the unpacked file where
            `path` ends in ``.gz``. None where nobody recorded it.
        sources: how many independent sources record `sha256`, at least.
        repository: the repository it lies in, where that is not the model's.
        revision: the commit of that repository.
        installs: name of the imported model, where that is not the entry's.
    """

    path: _RelativePath
    role: Role = "model"
    size: int | None = Field(default=None, gt=0)
    about: int | None = Field(default=None, gt=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{16,64}$")
    sources: int = Field(default=2, ge=1)
    repository: str | None = None
    revision: str | None = None
    installs: str | None = None

    @model_validator(mode="after")
    def _has_a_size(self) -> KnownFile:
        if (self.size is None) == (self.about is None):
            raise ValueError(f"{self.path}: give either size or about")
        return self

    @property
    def expected(self) -> int:
        """Its bytes, or about so many."""
        return self.size or self.about or 0

    @property
    def limit(self) -> int:
        """Most bytes that it may have."""
        return self.size or _SLACK * self.expected

    @property
    def name(self) -> str:
        """Its file name, once unpacked."""
        return self.path.rpartition("/")[2].removesuffix(".gz")


class KnownModel(_Table):
    """An entry of the catalogue.

    Attributes:
        name: what users write after ``models get``.
        title: what its makers call it.
        good_for: what it is good for, in a line.
        licence: SPDX identifier, or the licence's name.
        page: where its makers describe it.
        repository: ``owner/name`` on Hugging Face; None if it lies elsewhere.
        revision: the commit of `repository`; ``main`` where nobody recorded one.
        base: the address of its files, where they lie elsewhere.
        files: its files.
        like: the table of ``[inputs]`` that describes its input; None for Illustration2Vec's own networks.
        description: the fields of `OnnxDescription` in which it differs from that.
        dimension: dimension of its vectors; None if it gives none.
        tags: how many tags it gives; None if it gives none.
        thresholds: thresholds of its tags as its makers state them; see `choose_thresholds`.
        text: the fields of `TextSource` that its files do not tell; empty if it encodes no text.
        unsupported: why it cannot be imported yet; empty if it can.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str = Field(min_length=1)
    good_for: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    page: str = Field(pattern="^https://")
    repository: str | None = None
    revision: str | None = Field(default=None, pattern=r"^([0-9a-f]{40}|main)$")
    base: str | None = Field(default=None, pattern="^https?://")
    files: tuple[KnownFile, ...] = Field(min_length=1)
    like: str | None = None
    description: dict[str, Any] = {}
    dimension: int | None = None
    tags: int | None = None
    thresholds: str | None = None
    text: dict[str, Any] = {}
    unsupported: str = ""

    @property
    def size(self) -> int:
        """Bytes of all its files, or about so many."""
        return sum(file.expected for file in self.files)

    @property
    def is_exact(self) -> bool:
        """Whether the size of every file is recorded."""
        return all(file.size is not None for file in self.files)

    @property
    def recorded(self) -> str:
        """Who records the SHA-256 of its files: "recorded", "one source", or "not recorded"."""
        if any(file.sha256 is None for file in self.files):
            return "not recorded"
        return "one source" if any(file.sources == 1 for file in self.files) else "recorded"

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON, with the address of each file."""
        files = [{"url": self.url(file), **file.model_dump(exclude_none=True)} for file in self.files]
        return {**self.model_dump(), "size": self.size, "files": files}

    def url(self, file: KnownFile, *, mirror: str | None = None, hub: str | None = None) -> str:
        """The address of a file.

        Args:
            file: one of `files`.
            mirror: address of a folder of models, which has a folder of this name.
            hub: address of a server in place of Hugging Face's.
        """
        if mirror is not None:
            return f"{mirror.rstrip('/')}/{self.name}/{file.path}"
        if self.base is not None:
            return f"{self.base}/{file.path}"
        repository = file.repository or self.repository
        revision = file.revision or self.revision
        return f"{(hub or _HUB).rstrip('/')}/{repository}/resolve/{revision}/{file.path}"

    def of_role(self, role: Role) -> list[KnownFile]:
        """Its files of a role."""
        return [file for file in self.files if file.role == role]


class Catalogue(_Table):
    """All entries.

    Attributes:
        inputs: descriptions that several models share, by name.
        model: the entries, in the order in which they are shown.
    """

    inputs: dict[str, dict[str, Any]] = {}
    model: tuple[KnownModel, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Catalogue:
        names = [model.name for model in self.model]
        for model in self.model:
            if names.count(model.name) > 1:
                raise ValueError(f"{model.name} is there twice")
            if model.like is not None and model.like not in self.inputs:
                raise ValueError(f"{model.name} is like {model.like!r}, which [inputs] does not describe")
            if (model.repository is None) == (model.base is None):
                raise ValueError(f"{model.name}: give either repository or base")
            if (model.repository is None) != (model.revision is None):
                raise ValueError(f"{model.name}: a repository needs a revision")
            if not model.of_role("model"):
                raise ValueError(f"{model.name} has no file of role 'model'")
            if bool(model.text) != bool(model.of_role("tokenizer")):
                raise ValueError(f"{model.name}: text and a tokenizer require each other")
        return self

    def find(self, name: str) -> KnownModel:
        """The entry of a name; the first one of a repository, ``owner/name`` or its last part.

        Raises:
            EncoderError: there is none.
        """
        if found := self.get(name):
            return found
        near = difflib.get_close_matches(name, [model.name for model in self.model])
        hint = f"similar: {', '.join(near)}; all" if near else "all"
        raise EncoderError(f"no model {name!r} in the catalogue; {hint} by: i2v-search models available")

    def get(self, name: str) -> KnownModel | None:
        """As `find`, but None if there is none."""
        for model in self.model:
            if model.name == name:
                return model
        for model in self.model:
            if model.repository and name in {model.repository, model.repository.rpartition("/")[2]}:
                return model
        return None

    def with_hash(self, sha256: str) -> Iterator[tuple[KnownModel, KnownFile]]:
        """Entries of which a file to import has this SHA-256."""
        for model in self.model:
            for file in model.of_role("model"):
                if file.sha256 == sha256:
                    yield model, file

    def description(self, model: KnownModel, outputs: Sequence[str]) -> OnnxDescription:
        """How an image becomes the input of a model, `like` another one, for a graph with these outputs.

        Raises:
            EncoderError: the graph has fewer outputs.
        """
        fields = {**self.inputs[model.like or ""], **model.description}
        for key in ("output", "tag_output"):
            place = fields.get(key)
            if isinstance(place, int):
                if place >= len(outputs):
                    raise EncoderError(
                        f"{model.name}: the graph has {len(outputs)} outputs; expected {place + 1}"
                    )
                fields[key] = outputs[place]
        return OnnxDescription(**fields)


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue.

    Raises:
        EncoderError: it is not valid.
    """
    try:
        return Catalogue.model_validate(tomllib.loads(read_regular(path).decode()))
    except (OSError, ValueError, ValidationError) as error:
        raise EncoderError(f"{path} is not a valid catalogue of models: {error}") from error


@functools.cache
def shipped_catalogue() -> Catalogue:
    """The catalogue that comes with the package.

    >>> shipped_catalogue().find("wd-vit-v3").licence
    'Apache-2.0'
    """
    return load_catalogue(Path(str(files("i2v_search"))) / "data" / "models.toml")
