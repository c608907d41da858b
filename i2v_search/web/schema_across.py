"""Models of a search in several collections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from i2v_search.web.schema import (
    ConditionFields,
    ExampleById,
    ExampleByText,
    ExampleByUpload,
    HitModel,
    ResponseModel,
)

CollectionKey = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$", description="names a collection")]


class AcrossRequest(ConditionFields):
    """A search in all collections that can be searched together."""

    examples: list[ExampleById | ExampleByUpload | ExampleByText] = Field(
        default=[],
        max_length=32,
        description="ids are of the current collection",
        examples=[[{"text": "a cat"}]],
    )
    copies: bool = Field(default=False, description="include copies of the same picture")
    top: int = Field(default=60, ge=1, le=200)


class HitAcrossModel(HitModel):
    """One image of a search in several collections."""

    collection: CollectionKey


class SearchedModel(ResponseModel):
    """A collection that was searched."""

    key: CollectionKey
    name: str
    images: int


class LeftOutModel(ResponseModel):
    """A collection that was not searched."""

    name: str
    reason: Literal["away", "encoder", "damaged"] = Field(
        description="away: it is not there; encoder: its distances are others; damaged: it cannot be read"
    )


class AcrossResponse(ResponseModel):
    """The result of a search in several collections."""

    hits: list[HitAcrossModel]
    collections: list[SearchedModel] = Field(description="those that were searched, the current one first")
    left_out: list[LeftOutModel]
    seconds: float
    query: str = Field(description="the query in words")
