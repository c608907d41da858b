"""A collection as tools: what the protocol's own client finds, and what it cannot reach."""

import base64
import io
import shutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters, stdio_client

from i2v_search.collection.collection import Collection
from i2v_search.web.tool_server import CollectionTools, tool_server


@pytest.fixture
def allowed(tmp_path: Path, sample_collection: Collection) -> Path:
    """A folder with a copy of a picture and a link out of it; beside it a picture that is secret."""
    folder = tmp_path / "allowed"
    folder.mkdir()
    for file in (folder / "sketch.webp", tmp_path / "secret.webp"):
        file.write_bytes(sample_collection.image_bytes(sample_collection.ids[3]))
    (folder / "link.webp").symlink_to(tmp_path / "secret.webp")
    return folder


def use(directory: Path, allowed: Path, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    """Do some work with a client that is connected to the server in this process."""

    async def connected() -> None:
        async with Client(tool_server(CollectionTools(directory, [allowed]))) as client:
            await work(client)

    anyio.run(connected)


async def call(client: Client, name: str, **arguments: Any) -> Any:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content if answer.structured_content is not None else answer.content


def test_the_answers_are_those_of_the_collection(sample_collection: Collection, allowed: Path) -> None:
    art, first = sample_collection, sample_collection.ids[3]

    async def work(client: Client) -> None:
        names = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(names) == [
            *("describe_collection", "list_tags", "morph", "search", "show_morph", "show_picture")
        ]
        assert all(tool.description and tool.annotations.read_only_hint for tool in names.values())  # type: ignore[union-attr]
        facts = await call(client, "describe_collection")
        assert (facts["images"], facts["encoder"]) == (len(art), "lite")

        for reference in (str(first), art[first].path, str(allowed / "sketch.webp")):
            found = await call(client, "search", image=reference, top=3)
            assert [image["id"] for image in found["images"]] == [
                hit.id for hit in art.search(first, top=3).hits
            ]
        words = await call(client, "search", text="a bird", top=5)
        assert [image["id"] for image in words["images"]] == [
            hit.id for hit in art.search("a bird", top=5).hits
        ]

        tag = (await call(client, "list_tags"))["result"][0]
        tagged = await call(client, "search", tags=tag["name"], top=100)
        assert len(tagged["images"]) == len(art.search(tags=tag["name"], top=100).hits) > 0

        ends = {"a": str(first), "b": str(art.ids[50]), "steps": 3}
        morph, expected = await call(client, "morph", **ends), art.morph(first, art.ids[50], steps=3)
        assert [stop["id"] for stop in morph["stops"]] == [stop.id for stop in expected.stops]
        pictures = [*await call(client, "show_morph", **ends)]
        pictures += await call(client, "show_picture", image=str(first), side=100)
        strip, small = (Image.open(io.BytesIO(base64.b64decode(picture.data))) for picture in pictures)
        assert strip.width > strip.height
        assert max(small.size) == 100

    use(art.directory, allowed, work)


@pytest.mark.parametrize(
    "reference", ["secret.webp", "allowed/../secret.webp", "allowed/link.webp", "none.png"]
)
def test_no_other_file_is_read(sample_collection: Collection, allowed: Path, reference: str) -> None:
    async def work(client: Client) -> None:
        for name, image in (("search", "image"), ("show_picture", "image")):
            answer = await client.call_tool(name, {image: str(allowed.parent / reference)})
            assert answer.is_error
            assert "allowed folder" in answer.content[0].text  # type: ignore[union-attr]

    use(sample_collection.directory, allowed, work)


def test_wrong_questions_are_told(sample_collection: Collection, allowed: Path) -> None:
    questions: list[dict[str, Any]] = [
        {},
        {"tags": "no such tag"},
        {"text": "a", "top": 0},
        {"image": "9999999"},
    ]

    async def work(client: Client) -> None:
        for question, part in zip(questions, ("give a text", "no such tag", "top", "9999999"), strict=True):
            answer = await client.call_tool("search", question)
            assert answer.is_error
            assert part in answer.content[0].text  # type: ignore[union-attr]

    use(sample_collection.directory, allowed, work)


def test_a_collection_that_changed_is_opened_again(sample_collection: Collection, tmp_path: Path) -> None:
    shutil.copytree(sample_collection.directory, tmp_path / "index")
    tools = CollectionTools(tmp_path / "index", [])
    before = tools.describe_collection().images
    with Collection.open(tmp_path / "index") as art:
        art.remove([art.ids[0]])
    assert tools.describe_collection().images == before - 1


def test_the_command_speaks_the_protocol(sample_collection: Collection) -> None:
    command = ["-m", "i2v_search", "mcp", "--collection", str(sample_collection.directory)]

    async def work() -> None:
        async with Client(
            stdio_client(StdioServerParameters(command=sys.executable, args=command))
        ) as client:
            assert (await call(client, "describe_collection"))["images"] == len(sample_collection)

    anyio.run(work)
