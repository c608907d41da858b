"""A recipe: a TOML file that says how a collection is built offline."""

from __future__ import annotations

import os
import tomllib
import warnings
from pathlib import Path
from typing import Any, Self
from warnings import warn

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, model_validator

from i2v_search.build.options import BuildOptions
from i2v_search.choices import Device, DeviceName, IndexKind, Precision, SimilarityName
from i2v_search.errors import RecipeError
from i2v_search.files import read_regular
from i2v_search.index.planner import LATENCY_MS, PCA_DIMENSIONS, RECALL_TARGET, IndexOptions

SAMPLE = "sample:"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImagesTable(_Table):
    """``[images]``: where images come from."""

    sources: list[str] = Field(min_length=1)
    exclude: list[str] = []
    strict: bool = False


class EncoderTable(_Table):
    """``[encoder]``: what turns them into vectors."""

    name: str = "lite"
    device: DeviceName = "auto"
    tagger: str | None = None
    threads: int | None = Field(default=None, ge=1, le=1024)
    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    precision: Precision = "auto"
    sketches: bool | None = None
    details: bool | None = None

    def where(self) -> Device:
        """Device and settings of the encoder."""
        return Device(self.device, self.threads, self.batch_size, self.precision)


class SimilarityTable(_Table):
    """``[similarity]``: how vectors are compared."""

    name: SimilarityName | None = None


class PcaTable(_Table):
    """``[pca]``: how many principal components an approximate index scans."""

    dimensions: int = Field(default=PCA_DIMENSIONS, ge=2, le=4096)


class IndexTable(_Table):
    """``[index]``: how neighbours are found."""

    kind: IndexKind = "auto"
    recall: float = Field(default=RECALL_TARGET, gt=0, le=1)
    memory: ByteSize | None = None
    latency_ms: float = Field(default=LATENCY_MS, gt=0)
    graph: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_reduced(cls, given: Any) -> Any:
        """Pass over a key of one release ago, which the template had."""
        if not isinstance(given, dict) or "reduced" not in given:
            return given
        if given["reduced"]:
            message = "reduced does nothing now; see i2v-search export FILE.npy --pca 256"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
        return {key: value for key, value in given.items() if key != "reduced"}


class Recipe(_Table):
    """Description of a build: see ``index/recipes/template.toml``.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "birds.toml"
        >>> _ = file.write_text('collection = "birds"\\n[images]\\nsources = ["sample:birds"]\\n')
        >>> Recipe.load(file).encoder.name
        'lite'
    """

    collection: str = Field(min_length=1)
    images: ImagesTable
    encoder: EncoderTable = EncoderTable()
    similarity: SimilarityTable = SimilarityTable()
    pca: PcaTable = PcaTable()
    index: IndexTable = IndexTable()

    def options(self, *, forget_removals: bool = False) -> BuildOptions:
        """Build options of the recipe.

        Args:
            forget_removals: see `BuildOptions`; no recipe says so for good.
        """
        return BuildOptions(
            encoder=self.encoder.name,
            similarity=self.similarity.name,
            tagger=self.encoder.tagger,
            device=self.encoder.where(),
            index=IndexOptions(
                kind=self.index.kind,
                pca_dimensions=self.pca.dimensions,
                memory_bytes=self.index.memory,
                recall_target=self.index.recall,
                latency_ms=self.index.latency_ms,
                graph=self.index.graph,
            ),
            strict=self.images.strict,
            exclude=self.images.exclude,
            forget_removals=forget_removals,
            sketches=self.encoder.sketches,
            details=self.encoder.details,
        )

    def wishes(self) -> IndexOptions:
        """The old name of the `index` of `options`."""
        warn("Recipe.wishes() is now options().index", DeprecationWarning, stacklevel=2)
        return self.options().index or IndexOptions()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a recipe. Relative paths in it are relative to its own folder.

        Raises:
            RecipeError: the file is missing, is not TOML, or holds a key or value that a recipe does not
                have.
        """
        file = Path(path)
        try:
            document = tomllib.loads(read_regular(file).decode())
        except FileNotFoundError:
            raise RecipeError(
                f"recipe {file} does not exist; start from index/recipes/template.toml"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise RecipeError(f"{file} cannot be read as TOML: {error}") from error
        try:
            recipe = cls.model_validate(document)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']}" for item in error.errors()
            )
            raise RecipeError(f"{file} is not a valid recipe: {problems}") from error
        sources = [_absolute(source, file.parent) for source in recipe.images.sources]
        return recipe.model_copy(
            update={
                "collection": _absolute(recipe.collection, file.parent),
                "images": recipe.images.model_copy(update={"sources": sources}),
            }
        )


def _absolute(path: str, folder: Path) -> str:
    if path.startswith(SAMPLE):
        from i2v_search.images.sample import sample_directory

        return str(sample_directory() / path.removeprefix(SAMPLE))
    return os.path.normpath(folder.resolve() / Path(path).expanduser())
