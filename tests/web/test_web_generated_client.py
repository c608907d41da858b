"""A client that a generator makes of the OpenAPI document uses the server, and nobody edits it."""

import importlib
import io
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from web_server import running

from i2v_search.collection.collection import Collection

pytestmark = pytest.mark.skipif(
    find_spec("openapi_python_client") is None, reason="openapi-python-client is not installed"
)
#: As docs/http.md has it, and without a formatter of the code.
CONFIG = {
    "content_type_overrides": dict.fromkeys(
        ("image/webp", "image/png", "application/zip"), "application/octet-stream"
    ),
    "post_hooks": [],
}


def test_a_generated_client_searches_uploads_morphs_and_gets_pictures(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(sample_collection, tmp_path / "thumbnails") as server:
        (tmp_path / "openapi.json").write_bytes(server.client.get("/api/v1/openapi.json").content)
        (tmp_path / "config.json").write_text(json.dumps(CONFIG))
        monkeypatch.syspath_prepend(str(tmp_path))
        made = generate(tmp_path)
        models = made("models")
        with made("client").Client(base_url=server.url, timeout=120) as client:
            use(made, models, client, sample_collection)


def use(made: Any, models: Any, client: Any, collection: Collection) -> None:
    """Call the functions of a generated client, and compare what they give."""
    first = collection.ids[0]
    content = collection.image_bytes(first)
    sent = made("types").File(payload=io.BytesIO(content))
    kept = made("api.uploads.upload").sync(client=client, body=sent)
    assert kept.id == first
    form = models.UploadFormUploadForm(file=made("types").File(io.BytesIO(content), "a.webp"))
    assert made("api.uploads.upload_form").sync(client=client, body=form) == kept

    request = models.SearchRequest.from_dict({"examples": [{"upload": kept.upload}], "top": 3})
    found = made("api.search.search").sync(client=client, body=request)
    assert [hit.id for hit in found.hits] == [hit.id for hit in collection.search(first, top=3).hits]

    ends = models.MorphRequest.from_dict({"a": {"upload": kept.upload}, "b": {"id": found.hits[2].id}})
    morph = made("api.morph.morph").sync(client=client, body=ends)
    assert morph.stops[-1].id == found.hits[2].id
    strip = made("api.morph.draw_morph").sync_detailed(client=client, body=ends)
    small = made("api.images.thumbnail").sync_detailed(found.hits[0].id, client=client)
    for picture in (strip, small):
        assert picture.status_code == 200
        with Image.open(io.BytesIO(picture.content)) as image:
            assert image.width > 50


def generate(folder: Path) -> Any:
    """Import modules of the client that is made of ``openapi.json`` in `folder`, by name."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    paths = ["--path", "openapi.json", "--config", "config.json", "--output-path", "i2v_client"]
    subprocess.run([*command, *paths], cwd=folder, check=True, capture_output=True)
    return lambda name: importlib.import_module(f"i2v_client.{name}")


def test_operations_have_short_names_of_their_own() -> None:
    from i2v_search.web.app import create_app
    from i2v_search.web.server_settings import ServerSettings

    paths = create_app(Path("none"), ServerSettings()).openapi()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert {"search", "upload", "upload_form", "morph", "draw_morph", "thumbnail"} <= set(names)
    assert all(name.isidentifier() and len(name) <= 24 and "api_v1" not in name for name in names)
