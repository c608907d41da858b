"""Published models by name: what is downloaded is checked, imported whole or not at all, and described."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_files import SeededWeights, shapes, write_caffemodel
from file_server import FileServer, cut, file_server, hang, other, page, status
from filelock import FileLock
from onnx import GraphProto, TensorProto, helper
from onnx_files import colour_tags, mean_colours
from PIL import Image
from text_towers import END, VOCABULARY, text_tower, token_table, tokenizer_json
from typer.testing import CliRunner

from i2v_search import Collection, TextEncoder, load_encoder, load_tagger
from i2v_search.cli.main import app
from i2v_search.encoders.base import encode_images, encode_texts
from i2v_search.encoders.downloading import Patience
from i2v_search.encoders.getting import Imported, get_model, import_known
from i2v_search.encoders.importing import Companions
from i2v_search.encoders.known_models import Catalogue, load_catalogue, shipped_catalogue
from i2v_search.encoders.model_card import TextDescription
from i2v_search.encoders.model_files import ORIGIN, Where, read_origin
from i2v_search.encoders.model_folder import installed_models, remove_model
from i2v_search.encoders.onnx_outline import read_outline
from i2v_search.encoders.text_import import TextSource
from i2v_search.errors import DownloadError, EncoderError, TagError
from i2v_search.progress import Progress
from i2v_search.tags.thresholds import choose_thresholds
from i2v_search.tags.vocabulary import Vocabulary

pytestmark = pytest.mark.integration

HASTY = Patience(seconds=0.3, attempts=2, pause=0)
INPUTS = {"means": {"size": 16, "output": "vector"}, "tagger": {"size": 16, "tag_output": 1}}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The files of the publishers: an encoder, and a tagger with its list."""
    folder = tmp_path / "published"
    for name in ("means", "tagger"):
        (folder / name).mkdir(parents=True)
    mean_colours(folder / "means" / "model.onnx", size=16)
    mean_colours(folder / "tagger" / "model.onnx", batch="b", size=16)
    colour_tags(folder / "tagger" / "tags.csv")
    return folder


@pytest.fixture
def server(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with file_server() as served:
        for file in published.rglob("*.*"):
            served.files[file.relative_to(published).as_posix()] = file.read_bytes()
        yield served


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of imported models, this test's own."""
    folder = tmp_path / "models"
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(folder))
    return folder


def described(file: Path, **changes: Any) -> dict[str, Any]:
    """A file in a catalogue."""
    content = file.read_bytes()
    facts = {
        "path": file.name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **changes,
    }
    return {name: value for name, value in facts.items() if value is not None}


def entry(name: str, base: str, *files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    facts = {
        "title": name.title(),
        "good_for": "tests",
        "licence": "CC0-1.0",
        "page": "https://models.example",
    }
    return {"name": name, **facts, "base": f"{base}/{name}", "like": name, "files": files, **changes}


@pytest.fixture
def catalogue(published: Path, server: FileServer, place: Path) -> Catalogue:
    model, tagger = published / "means" / "model.onnx", published / "tagger" / "model.onnx"
    tags = described(published / "tagger" / "tags.csv", role="tags")
    models = [
        entry("means", server.url, described(model), dimension=3),
        entry("tagger", server.url, described(tagger), tags, tags=3),
    ]
    return Catalogue.model_validate({"inputs": INPUTS, "model": models})


def changed(catalogue: Catalogue, name: str = "means", number: int = 0, **changes: Any) -> Catalogue:
    """The catalogue with other facts of one file."""
    document = catalogue.model_dump()
    (model,) = (model for model in document["model"] if model["name"] == name)
    files = list(model["files"])
    files[number] = {**files[number], **changes}
    model["files"] = files
    return Catalogue.model_validate(document)


def get(name: str, catalogue: Catalogue, **where: Any) -> Imported:
    return get_model(name, Where(patience=HASTY, **where), catalogue=catalogue)


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def left(place: Path) -> list[str]:
    """Names in the directory of the imported models."""
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


# --- what is right


def test_a_model_is_downloaded_imported_and_described(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    told: list[Progress] = []
    got = get_model("means", catalogue=catalogue, report=told.append)
    (card,) = got.cards
    assert (card.name, card.dimension, got.options, got.notes) == ("means", 3, "--encoder means", ())
    assert {moment.stage for moment in told} == {"means: model.onnx"}
    assert told[-1].done == len(server.files["means/model.onnx"])
    found = encode_images(load_encoder("means"), [Image.new("RGB", (20, 20), (10, 100, 250))])
    np.testing.assert_allclose(found.vectors, [[10, 100, 250]], rtol=1e-5)
    assert left(place) == ["means"]
    origin = read_origin(place / "means")
    assert origin is not None
    assert origin.files[0].sha256 == card.source_sha256 == origin.files[0].recorded
    shown = run("models", "info", "means").stdout
    assert "CC0-1.0" in shown
    assert "https://models.example" in shown


def test_a_tagger_comes_with_its_list_and_its_output_by_place(catalogue: Catalogue) -> None:
    got = get("tagger", catalogue)
    assert got.options == "--tagger tagger"
    assert load_tagger("tagger").vocabulary.names == ("blue", "green", "general")
    assert got.cards[0].onnx is not None
    assert got.cards[0].onnx.tag_output == "scores"


def test_what_is_imported_already_is_not_downloaded_again(catalogue: Catalogue, server: FileServer) -> None:
    first = get("means", catalogue)
    server.asked.clear()
    again = get("means", catalogue)
    assert (again.cards, again.notes, server.asked) == (first.cards, ("means is imported already",), [])
    with pytest.raises(EncoderError, match="another model is called 'means'; run: i2v-search models remove"):
        get("tagger", changed(catalogue, "tagger", installs="means"))
    remove_model("means")
    assert get("means", catalogue).cards == first.cards


def test_illustration2vec_is_two_models_of_one_release(
    tmp_path: Path, place: Path, server: FileServer
) -> None:
    """Its caffemodels as the makers write them, with the packed tag list."""
    tags = 1539
    feature = write_caffemodel(
        tmp_path / "v.caffemodel", SeededWeights(shapes("feature", "encode2", dimension=64, tags=tags))
    )
    tag = write_caffemodel(tmp_path / "t.caffemodel", SeededWeights(shapes("tag", tags=tags), 1))
    names = json.dumps([f"tag {i}" for i in range(tags - 3)] + ["safe", "questionable", "explicit"]).encode()
    (tmp_path / "tag_list.json.gz").write_bytes(gzip.compress(names))
    files = [
        described(feature, installs="i2v-v2", sources=1),
        described(tag, installs="i2v-v2-tags", sources=1),
        described(
            tmp_path / "tag_list.json.gz",
            role="tags",
            sha256=hashlib.sha256(names).hexdigest()[:16],
            sources=1,
        ),
    ]
    original = entry("illustration2vec", server.url, *files, like=None, dimension=64, tags=tags)
    catalogue = Catalogue.model_validate({"model": [original]})
    for path in (feature, tag, tmp_path / "tag_list.json.gz"):
        server.files[f"illustration2vec/{path.name}"] = path.read_bytes()
    got = get("illustration2vec", catalogue)
    assert got.options == "--encoder i2v-v2 --tagger i2v-v2-tags"
    assert [note.partition(":")[0] for note in got.notes] == ["v.caffemodel", "t.caffemodel", "tag_list.json"]
    assert all("one source alone records" in note for note in got.notes)
    assert left(place) == ["i2v-v2", "i2v-v2-tags"]
    remove_model("i2v-v2")
    server.asked.clear()
    assert get("illustration2vec", catalogue).cards == got.cards
    assert [path.partition("/")[2] for path, _ in server.asked] == ["v.caffemodel", "tag_list.json.gz"]


@pytest.fixture
def towers(published: Path, server: FileServer, place: Path) -> Catalogue:
    """A model with a text tower, in folders as on Hugging Face."""
    pytest.importorskip("tokenizers")
    folder = published / "towers"
    (folder / "onnx").mkdir(parents=True)
    mean_colours(folder / "onnx" / "vision.onnx", size=16)
    text_tower(
        folder / "onnx" / "text.onnx",
        inputs={"input_ids": TensorProto.INT64},
        outputs={"other": "all", "text_embeds": "end"},
    )
    tokenizer_json(folder / "tokenizer.json", behind=END)
    paths = {"model": "onnx/vision.onnx", "text": "onnx/text.onnx", "tokenizer": "tokenizer.json"}
    files = [described(folder / path, path=path, role=role) for role, path in paths.items()]
    for path in paths.values():
        server.files[f"towers/{path}"] = (folder / path).read_bytes()
    text = {"output": "text_embeds", "length": 9, "pad": 0, "case": "lower"}
    model = entry("towers", server.url, *files, like="means", dimension=3, text=text)
    return Catalogue.model_validate({"inputs": INPUTS, "model": [model]})


def test_a_text_tower_comes_with_its_images(towers: Catalogue, published: Path) -> None:
    got = get("towers", towers)
    assert got.notes == ()
    assert got.cards[0].text is not None
    assert (got.cards[0].text.length, got.cards[0].text.case) == (9, "lower")
    encoder = load_encoder("towers")
    assert isinstance(encoder, TextEncoder)
    found = encode_texts(encoder, ["a CAT", "a dog"])
    table = token_table()
    ids = [VOCABULARY[word] for word in ("a", "cat", END)]
    padded = ids + [0] * (9 - len(ids))
    np.testing.assert_allclose(found[0], table[ids[-1]] + table[padded].sum(0), rtol=1e-4)
    remove_model("towers")
    assert get("towers", towers, folder=published).cards == got.cards


def test_a_known_image_tower_takes_the_text_tower_beside_it(towers: Catalogue, published: Path) -> None:
    folder = published / "towers"
    got = import_known(folder / "onnx" / "vision.onnx", catalogue=towers)
    assert got is not None
    assert got.cards[0].text is not None
    assert len(got.notes) == 1
    (folder / "tokenizer.json").rename(published / "tokenizer.json")
    got = import_known(folder / "onnx" / "vision.onnx", "images", catalogue=towers)
    assert got is not None
    assert got.cards[0].text is None
    assert got.notes[1] == "without its text tower: tokenizer.json would have to lie beside it"


def test_without_tokenizers_the_images_come_alone_and_the_words_are_not_downloaded(
    towers: Catalogue, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    got = get("towers", towers)
    assert got.cards[0].text is None
    assert "pip install 'i2v-search[text]'" in got.notes[0]
    assert [path for path, _ in server.asked] == ["towers/onnx/vision.onnx"]


def test_files_that_are_there_already_need_no_network(
    catalogue: Catalogue, published: Path, server: FileServer, tmp_path: Path
) -> None:
    got = get("tagger", catalogue, folder=published)  # a folder for each model, as on a mirror
    remove_model("tagger")
    assert get("tagger", catalogue, folder=published / "tagger").cards == got.cards
    assert server.asked == []
    remove_model("tagger")
    with pytest.raises(DownloadError, match=r"has neither model\.onnx of tagger nor tagger/model\.onnx"):
        get("tagger", catalogue, folder=tmp_path)
    (published / "tagger" / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DownloadError, match=r"model\.onnx has 42 bytes; expected "):
        get("tagger", catalogue, folder=published)
    assert installed_models() == []


def test_a_mirror_has_the_same_folders(catalogue: Catalogue, server: FileServer) -> None:
    mirror = f"{server.url}/my/models/"
    server.files["my/models/means/model.onnx"] = server.files.pop("means/model.onnx")
    assert get("means", catalogue, mirror=mirror).options == "--encoder means"
    with pytest.raises(DownloadError, match="no https address"):
        get("tagger", catalogue, mirror="models.example")


def test_hugging_face_can_be_another_server(
    catalogue: Catalogue, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = catalogue.model_dump()
    revision = "7" * 40
    document["model"][0].update(base=None, repository="maker/means", revision=revision)
    catalogue = Catalogue.model_validate(document)
    known = catalogue.find("means")
    address = f"maker/means/resolve/{revision}/model.onnx"
    assert known.url(known.files[0]) == f"https://huggingface.co/{address}"
    monkeypatch.delenv("I2V_SEARCH_MIRROR", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    server.files[address] = server.files["means/model.onnx"]
    assert get_model("means", Where.of_environment(), catalogue=catalogue).cards
    monkeypatch.setenv("I2V_SEARCH_MIRROR", "http://mirror.invalid")
    assert Where.of_environment().mirror == "http://mirror.invalid"


def test_a_model_is_found_by_its_repository_too_and_the_encoders_tell_of_it() -> None:
    shipped = shipped_catalogue()
    for name in ("SmilingWolf/wd-vit-tagger-v3", "wd-vit-tagger-v3", "wd-vit-v3"):
        assert shipped.find(name).name == "wd-vit-v3"
    assert shipped.get("nobody/nothing") is None
    with pytest.raises(
        EncoderError, match=r"no encoder 'ccip'; .*download it with: i2v-search models get ccip"
    ):
        load_encoder("ccip")
    with pytest.raises(EncoderError, match="i2v-search models get wd-vit-v3"):
        load_tagger("wd-vit-tagger-v3")


# --- what is wrong


def refused(catalogue: Catalogue, place: Path, message: str, name: str = "means", **where: Any) -> None:
    """It says so, and nothing is imported."""
    with pytest.raises(EncoderError, match=message) as caught:
        get(name, catalogue, **where)
    assert "\n" not in str(caught.value)
    assert installed_models() == []
    assert set(left(place)) <= {".downloads"}


def test_wrong_bytes_are_refused_wherever_they_come_from(
    catalogue: Catalogue, place: Path, server: FileServer, published: Path
) -> None:
    right = (published / "means" / "model.onnx").read_bytes()
    wrong = right[:-1] + b"!"
    server.behaviours = [other(wrong)]
    refused(catalogue, place, "has SHA-256 .*, expected .*it is another file")
    assert left(place) == []
    (published / "means" / "model.onnx").write_bytes(wrong)
    refused(catalogue, place, "has SHA-256 .*, expected ", folder=published, accept_hash=True)
    assert get("means", catalogue).options == "--encoder means"


def test_a_page_of_a_proxy_imports_nothing(catalogue: Catalogue, place: Path, server: FileServer) -> None:
    server.behaviours = [page("text/html")]
    refused(catalogue, place, "a web page instead of the file")
    server.behaviours = [status(302, Location="http://login.invalid/")]
    refused(catalogue, place, "redirects to http://login.invalid, without encryption")


def test_what_arrived_of_a_broken_transfer_is_used_later(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    server.behaviours = [cut(200), status(500)]
    refused(catalogue, place, "run the same command again to continue after 200 of", "tagger")
    server.asked.clear()
    assert get("tagger", catalogue).cards
    assert [headers.get("Range") for _, headers in server.asked] == ["bytes=200-", None]
    assert left(place) == ["tagger"]


def test_files_that_are_whole_are_not_downloaded_twice(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    tags = server.files.pop("tagger/tags.csv")
    refused(catalogue, place, "404 Not Found: there is no such file any more", "tagger")
    server.files["tagger/tags.csv"] = tags
    server.asked.clear()
    assert get("tagger", catalogue).cards
    assert [path for path, _ in server.asked] == ["tagger/tags.csv"]


def test_a_file_that_does_not_import_leaves_nothing_half(
    catalogue: Catalogue, place: Path, server: FileServer, published: Path
) -> None:
    (published / "tagger" / "tags.csv").write_text("tag_id,name,category,count\n1,blue,0,9\n")
    server.files["tagger/tags.csv"] = (published / "tagger" / "tags.csv").read_bytes()
    tags = described(published / "tagger" / "tags.csv")
    with pytest.raises(TagError, match="has 1 tags"):
        get("tagger", changed(catalogue, "tagger", 1, **tags))
    assert left(place) == [".downloads"]


def test_the_first_of_two_models_goes_again_where_the_second_fails(
    catalogue: Catalogue, place: Path, published: Path, server: FileServer
) -> None:
    server.files["both/model.onnx"] = server.files["means/model.onnx"]
    server.files["both/broken.onnx"] = (published / "tagger" / "tags.csv").read_bytes()
    (published / "broken.onnx").write_bytes(server.files["both/broken.onnx"])
    files = [
        described(published / "means" / "model.onnx", installs="first"),
        described(published / "broken.onnx", installs="second"),
    ]
    both = entry("both", server.url, *files, like="means")
    catalogue = Catalogue.model_validate({"inputs": INPUTS, "model": [both]})
    refused(catalogue, place, r"broken\.onnx", "both")


def test_two_processes_do_not_download_one_model_at_once(catalogue: Catalogue, place: Path) -> None:
    (place / ".downloads").mkdir(parents=True)
    with FileLock(place / ".downloads" / "means.lock"):
        refused(catalogue, place, "another process downloads means; wait for it")
        assert get("tagger", catalogue).cards
    assert get("means", catalogue).cards


def test_a_disk_without_room_is_told_before_the_download(
    catalogue: Catalogue, small_disk: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2V_SEARCH_MODELS", str(small_disk / "models"))
    large = changed(catalogue, size=300_000)
    refused(large, small_disk / "models", r"has \d MB free; the download and the import need 1 MB")
    assert server.asked == []


def test_an_entry_that_cannot_be_imported_yet_says_why(
    catalogue: Catalogue, place: Path, server: FileServer, published: Path
) -> None:
    document = catalogue.model_dump()
    document["model"][0]["unsupported"] = "its vector is the first of its tokens"
    catalogue = Catalogue.model_validate(document)
    refused(catalogue, place, "means is not yet supported: its vector is the first of its tokens")
    with pytest.raises(EncoderError, match="is Means, which is not yet supported: its vector"):
        import_known(published / "means" / "model.onnx", catalogue=catalogue)
    refused(catalogue, place, "no model 'meens' in the catalogue; similar: means; all by: i2v-s", "meens")
    assert server.asked == []


# --- hashes that are not certain


def test_a_file_without_a_recorded_hash_is_accepted_only_by_the_user(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    catalogue = changed(catalogue, sha256=None)
    refused(catalogue, place, r"nobody recorded the SHA-256 of model\.onnx; look at https://models\.example")
    assert server.asked == []
    got = get("means", catalogue, accept_hash=True)
    seen = hashlib.sha256(server.files["means/model.onnx"]).hexdigest()
    assert got.notes == (f"model.onnx: accepted SHA-256 {seen}; nobody recorded one",)
    assert json.loads((place / "means" / ORIGIN).read_text())["files"][0] == {
        "url": f"{server.url}/means/model.onnx",
        "sha256": seen,
        "recorded": None,
    }
    assert get("means", catalogue).notes == ("means is imported already",)


def test_a_hash_of_one_source_can_be_overruled_and_that_of_several_cannot(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    wrong = changed(catalogue, sha256="0" * 64, sources=1)
    refused(wrong, place, r"expected 0{64}; one source alone records it, --accept-hash accepts")
    server.asked.clear()
    (note,) = get("means", wrong, accept_hash=True).notes
    assert "one source records 000" in note
    assert server.asked == []  # it was kept
    remove_model("means")
    refused(changed(catalogue, sha256="0" * 64), place, "expected 0{64}", accept_hash=True)
    assert get("means", changed(catalogue, sources=1)).notes == (
        "model.onnx: has the recorded SHA-256, which one source alone records",
    )


def test_a_packed_list_that_is_damaged_is_refused_and_not_kept(
    catalogue: Catalogue, place: Path, server: FileServer
) -> None:
    packed = gzip.compress(server.files["tagger/tags.csv"])
    server.files["tagger/tags.csv.gz"] = packed[:-9]
    content = hashlib.sha256(server.files["tagger/tags.csv"]).hexdigest()
    facts = {"path": "tags.csv.gz", "size": None, "about": 100, "sha256": content}
    refused(changed(catalogue, "tagger", 1, **facts), place, r"tags\.csv\.gz is damaged", "tagger")
    server.files["tagger/tags.csv.gz"] = packed
    assert get("tagger", changed(catalogue, "tagger", 1, **facts)).cards


# --- a kill


def test_a_download_that_was_killed_is_continued(
    catalogue: Catalogue, place: Path, server: FileServer, tmp_path: Path
) -> None:
    server.behaviours = [hang(200)]
    (tmp_path / "catalogue.json").write_text(catalogue.model_dump_json())
    script = (
        "import sys\nfrom pathlib import Path\nfrom i2v_search.encoders.getting import get_model\n"
        "from i2v_search.encoders.known_models import Catalogue\n"
        "get_model('means', catalogue=Catalogue.model_validate_json(Path(sys.argv[1]).read_text()))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "catalogue.json")]
    with subprocess.Popen(command) as process:
        part = place / ".downloads" / "means" / "model.onnx.part"
        wait_for(lambda: part.exists() and part.stat().st_size == 200)
        process.send_signal(signal.SIGKILL)
    assert get("means", catalogue).cards
    assert server.asked[-1][1]["Range"] == "bytes=200-"
    assert left(place) == ["means"]


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- files that are known


def test_a_known_file_is_imported_without_options(
    catalogue: Catalogue, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2v_search.encoders.getting.shipped_catalogue", lambda: catalogue)
    done = run("models", "import", published / "tagger" / "model.onnx")
    assert done.exit_code == 0, done.output
    assert "model.onnx is Tagger, by its SHA-256" in done.stderr
    assert load_tagger("tagger").vocabulary.names == ("blue", "green", "general")
    again = run("models", "import", published / "tagger" / "model.onnx", "--name", "mine", "--json")
    assert json.loads(again.stdout)[0]["name"] == "mine"
    (published / "tagger" / "tags.csv").rename(published / "list.csv")
    missing = import_error(catalogue, published / "tagger" / "model.onnx")
    assert "put its tag list tags.csv beside it" in missing
    got = import_known(
        published / "tagger" / "model.onnx",
        "other",
        companions=Companions(published / "list.csv"),
        catalogue=catalogue,
    )
    assert got is not None
    assert got.cards[0].tags == 3


def import_error(catalogue: Catalogue, file: Path) -> str:
    with pytest.raises(TagError) as caught:
        import_known(file, "other", catalogue=catalogue)
    return str(caught.value)


def test_a_relative_of_a_known_tagger_is_recognised_by_its_input_and_its_tags(
    catalogue: Catalogue, published: Path
) -> None:
    def change(graph: GraphProto) -> None:
        graph.doc_string = "another training"

    folder = published / "tagger"
    file = mean_colours(folder / "tuned.onnx", change=change)
    got = import_known(file, catalogue=catalogue)
    assert got is not None
    assert got.cards[0].name == "tagger"
    assert got.notes == ("tuned.onnx is Tagger, by its input and its number of tags",)
    for different in ({"size": 24}, {"layout": "NHWC"}):
        assert (
            import_known(mean_colours(folder / "x.onnx", change=change, **different), catalogue=catalogue)
            is None
        )
    (folder / "notes.txt").write_text("no model")
    assert import_known(folder / "notes.txt", catalogue=catalogue) is None
    assert import_known(folder / "nothing", catalogue=catalogue) is None


def test_the_outline_of_a_graph_leaves_constants_out(tmp_path: Path) -> None:
    def change(graph: GraphProto) -> None:
        graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, []))

    outline = read_outline(mean_colours(tmp_path / "m.onnx", size=24, change=change))
    assert outline.inputs == {"pixels": (None, 3, 24, 24)}
    assert outline.outputs == {"vector": (None, 3), "scores": (None, 3)}


# --- the commands


def test_the_command_tells_how_to_build_with_it(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, published: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("i2v_search.encoders.getting.shipped_catalogue", lambda: catalogue)
    monkeypatch.setattr(
        "i2v_search.encoders.getting.shipped_catalogue", lambda: changed(catalogue, sources=1)
    )
    done = run("models", "get", "means", "tagger")
    assert done.exit_code == 0, done.output
    assert "Build a collection with it: i2v-search build FOLDER --encoder means\n" in done.stdout
    assert "Build a collection with it: i2v-search build FOLDER --tagger tagger\n" in done.stdout
    assert "one source alone records" in done.stderr
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "a.png")
    art = Collection.build(tmp_path / "c", [tmp_path / "a.png"], encoder="means", tagger="tagger")
    assert (art.info().dimension, art.info().tags > 0) == (3, True)
    remove_model("means")
    (document,) = json.loads(run("models", "get", "means", "--from", published, "--json").stdout)
    assert document["build"] == "i2v-search build FOLDER --encoder means"
    assert document["models"][0]["dimension"] == 3


# --- the catalogue that ships


def test_every_entry_of_the_shipped_catalogue_is_complete() -> None:
    shipped = shipped_catalogue()
    names = [model.name for model in shipped.model]
    assert len(set(names)) == len(names) >= 25
    for wanted in ("illustration2vec", "wd-vit-v3", "wd-moat-v2", "pixai-v0.9", "ccip", "clip-vit-b32"):
        assert wanted in names
    for model in shipped.model:
        for file in model.files:
            assert model.url(file).startswith("https://"), file.path
            partial = file.sha256 is not None and len(file.sha256) != 64
            assert not partial or file.sources == 1, f"{model.name}: {file.path}"
            assert 1_000 < file.expected < 2 * 2**30
    assert [model.name for model in shipped.model if model.recorded == "not recorded"] == ["deepdanbooru"]
    assert [model.name for model in shipped.model if model.revision == "main"] == ["deepdanbooru"]


def test_every_description_of_the_shipped_catalogue_is_one_that_the_import_accepts() -> None:
    shipped = shipped_catalogue()
    for model in shipped.model:
        if model.like is None:
            assert all(file.installs for file in model.of_role("model"))
            continue
        description = shipped.description(model, ["first", "second", "third"])
        assert (description.output is not None) == (model.dimension is not None), model.name
        assert bool(description.tag_output) == bool(model.of_role("tags"))
        if model.text:
            TextDescription(**{"inputs": {"ids": "input_ids"}, **model.text})
            assert TextSource(tokenizer=Path("tokenizer.json"), **model.text).output
        if model.thresholds:
            tags = Vocabulary(("hat", "miku", "safe"), ("general", "character", "rating"))
            assert choose_thresholds(tags, model.thresholds).thresholds is not None
    assert set(shipped.inputs) == {model.like for model in shipped.model if model.like}


def test_the_shipped_catalogue_is_listed() -> None:
    done = run("models", "available")
    assert done.exit_code == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "~1,167 MB" in lines["illustration2vec"]
    assert "(4096-d vectors, 1,539 tags); SHA-256: one source" in lines["illustration2vec"]
    assert " 379 MB  Apache-2.0" in lines["wd-vit-v3"]
    assert lines["clip-vit-b32"].rstrip().endswith("(512-d vectors, words)")
    documents = json.loads(run("models", "available", "--json").stdout)
    assert [document["name"] for document in documents] == [model.name for model in shipped_catalogue().model]
    assert documents[0]["files"][0]["url"].startswith("https://github.com/rezoo/illustration2vec/releases/")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": ""}, "licence"),
        ({"like": "nothing"}, "which .inputs. does not describe"),
        ({"repository": "a/b"}, "either repository or base"),
        ({"base": None, "repository": "a/b"}, "a repository needs a revision"),
        ({"files": [{"path": "../a", "size": 1}]}, "path"),
        ({"files": [{"path": "a"}]}, "give either size or about"),
        ({"files": [{"path": "a", "size": 1, "sha256": "XY" * 32}]}, "sha256"),
        ({"files": [{"path": "a", "size": 1, "role": "tags"}]}, "no file of role 'model'"),
        ({"unknown": 1}, "unknown"),
        ({"text": {"length": 77}}, "text and a tokenizer require each other"),
    ],
)
def test_a_catalogue_with_a_fault_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    model = {**entry("means", "https://models.example", {"path": "a", "size": 1}), **change}
    lines = [f"{key} = {inline(value)}" for key, value in model.items() if value is not None]
    path = tmp_path / "models.toml"
    path.write_text("\n".join(["[inputs.means]", "size = 16", "[[model]]", *lines]))
    with pytest.raises(EncoderError, match=f"(?s)models.toml is not a valid catalogue.*{message}"):
        load_catalogue(path)


def inline(value: Any) -> str:
    """A value as TOML writes it behind its key."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
