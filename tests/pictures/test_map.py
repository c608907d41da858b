"""A collection in two dimensions: alike images lie together, every time in the same places, and the picture
and the page show each of them, whatever it is called."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment
from stores import make_store, remove
from typer.testing import CliRunner

from i2v_search import Collection, I2VSearchError, map_page, map_picture
from i2v_search.choices import MapMethod
from i2v_search.cli.main import app
from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import CollectionMap, map_rows
from i2v_search.index.similarity import Similarity
from i2v_search.pictures.grid import MapLayout, lay_out
from i2v_search.pictures.map_drawing import SHEET_BYTES, SHEET_PIXELS, sprite_sheets, sprite_side
from i2v_search.store.feature_store import FeatureStore

#: Ends of stages that a second run of a map has no need of.
WORK = {"computing components", "reducing", "arranging", "measuring"}
HOSTILE = "</script><img src=x onerror=boom()>.png"
METHODS: list[MapMethod] = ["tsne", "pca"]


def clusters(count: int, size: int, dimension: int = 64, noise: float = 0.15) -> NDArray[np.float32]:
    """`count` groups of `size` rows each, far apart."""
    generator = np.random.default_rng(0)
    centres = np.repeat(generator.normal(size=(count, dimension)), size, axis=0)
    return (centres + noise * generator.normal(size=centres.shape)).astype(np.float32)


def map_of(store: FeatureStore, **options: Any) -> CollectionMap:
    return map_rows(store, Similarity.fit("centred", store), store.live, **options)


def pictures(folder: Path, names: list[str | bytes]) -> Path:
    """A folder of plain pictures in colours of their own."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        file = Image.new("RGB", (40 + number % 3 * 30, 50), ((number * 67) % 256, (number * 31) % 256, 90))
        file.save(folder / os.fsdecode(name), "PNG")
    return folder


def built(tmp_path: Path, names: list[str | bytes]) -> Collection:
    return Collection.build(
        tmp_path / "collection", [pictures(tmp_path / "art", names)], encoder=GridEncoder()
    )


# Where images lie


@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_together_and_apart(tmp_path: Path, method: MapMethod) -> None:
    groups = 3
    drawn = map_of(make_store(tmp_path, clusters(groups, 30)), method=method)
    assert drawn.method == method
    places = drawn.coordinates.reshape(groups, 30, 2)
    middles = places.mean(axis=1)
    within = np.linalg.norm(places - middles[:, None], axis=2).max()
    apart = min(np.linalg.norm(middles[a] - middles[b]) for a in range(groups) for b in range(a))
    assert apart > 1.5 * within


def test_tsne_parts_more_groups_than_two_components_can(tmp_path: Path) -> None:
    store = make_store(tmp_path, clusters(25, 10, noise=0.5))
    wrong = {}
    for method in METHODS:
        places = map_of(store, method=method).coordinates
        squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
        np.fill_diagonal(squared, np.inf)
        wrong[method] = (squared.argmin(axis=1) // 10 != np.arange(250) // 10).mean()
    assert wrong["tsne"] == 0
    assert wrong["pca"] > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_map_every_time(tmp_path: Path, method: MapMethod) -> None:
    store = make_store(tmp_path, clusters(4, 25))
    first, second = (map_of(store, method=method, seed=3) for _ in range(2))
    assert np.array_equal(first.coordinates, second.coordinates)
    assert first.coordinates.dtype == np.float32
    assert first.coordinates.min() >= 0
    assert first.coordinates.max() <= 1
    assert np.ptp(first.coordinates, axis=0).max() == pytest.approx(1)


def test_another_seed_gives_another_map(tmp_path: Path) -> None:
    store = make_store(tmp_path, clusters(4, 25))
    first, second = (map_of(store, method="tsne", seed=seed).coordinates for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_kept_neighbours_are_counted_as_by_hand(tmp_path: Path) -> None:
    store = make_store(tmp_path, clusters(5, 20), similarity="cosine")
    similarity = Similarity.fit("cosine", store)
    drawn = map_rows(store, similarity, store.live, method="pca")
    rows = similarity.embed_rows(store, store.live)
    kept = []
    for at in range(len(rows)):
        alike = set(np.argsort(-(rows @ rows[at]))[:11].tolist()) - {at}
        squared = ((drawn.coordinates - drawn.coordinates[at]) ** 2).sum(axis=1)
        kept.append(len(alike & (set(np.argsort(squared)[:11].tolist()) - {at})) / 10)
    assert drawn.neighbours_kept == pytest.approx(np.mean(kept), abs=0.005)


def test_a_flat_world_keeps_nearly_all_neighbours(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    flat = generator.uniform(-1, 1, (120, 2)) @ np.linalg.qr(generator.normal(size=(16, 2)))[0].T
    store = make_store(tmp_path, flat.astype(np.float32))
    drawn = map_rows(store, Similarity.fit("l2", store), store.live, method="pca")
    assert drawn.neighbours_kept is not None
    assert drawn.neighbours_kept > 0.97


def test_a_large_collection_is_drawn_from_an_even_sample(tmp_path: Path) -> None:
    drawn = map_of(make_store(tmp_path, clusters(10, 20)), method="pca", images=40)
    assert drawn.total == 200
    assert drawn.ids == tuple(range(0, 200, 5))
    assert len(drawn.coordinates) == 40


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 12])
@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_images_can_be_drawn(tmp_path: Path, count: int, method: MapMethod) -> None:
    vectors = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    store = make_store(tmp_path, vectors)
    store = remove(tmp_path, range(count, 12)) if count < 12 else store
    drawn = map_of(store, method=method)
    assert drawn.coordinates.shape == (count, 2)
    assert np.isfinite(drawn.coordinates).all()
    assert (drawn.neighbours_kept is None) == (count < 3)
    assert len(np.unique(lay_out(drawn.coordinates).cells, axis=0)) == count


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_one_image_can_be_drawn(tmp_path: Path, method: MapMethod) -> None:
    alike = np.tile(np.random.default_rng(0).normal(size=(1, 6)), (20, 1)).astype(np.float32)
    assert np.isfinite(map_of(make_store(tmp_path, alike), method=method).coordinates).all()


def test_removed_images_are_not_drawn(tmp_path: Path) -> None:
    make_store(tmp_path, clusters(2, 10))
    drawn = map_of(remove(tmp_path, [0, 7]), method="pca")
    assert set(range(20)) - set(drawn.ids) == {0, 7}


def test_a_damaged_row_is_never_drawn(tmp_path: Path) -> None:
    store = make_store(tmp_path, clusters(2, 10))
    vectors = store.take_float16(np.array([4])).tobytes()
    file = store.parts[0].path
    content = bytearray(file.read_bytes())
    content[content.index(vectors)] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(CollectionDamagedError, match="row 4"):
        map_of(FeatureStore(tmp_path), method="pca")


def test_without_the_extra_auto_is_pca_and_tsne_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path, clusters(2, 10))
    monkeypatch.setattr("i2v_search.index.mapping.find_spec", lambda name: None)
    assert map_of(store).method == "pca"
    with pytest.raises(QueryError, match=r"pip install 'i2v-search\[map\]'"):
        map_of(store, method="tsne")


# Side by side


def test_no_two_pictures_share_a_cell_and_all_lie_on_the_grid() -> None:
    for count in (1, 5, 300, 3000):
        places = np.random.default_rng(count).normal(size=(count, 2)).astype(np.float32)
        layout = lay_out(places)
        assert len(np.unique(layout.cells, axis=0)) == count
        assert (layout.cells >= 0).all()
        assert (layout.cells < [layout.columns, layout.rows]).all()


def test_a_small_grid_has_the_least_moves_of_all() -> None:
    places = np.random.default_rng(1).uniform(size=(60, 2)).astype(np.float32)
    layout = lay_out(places)
    size = np.array([layout.columns, layout.rows])
    scaled = (places - places.min(axis=0)) / np.ptp(places, axis=0) * size
    cells = np.array([(column, row) for row in range(size[1]) for column in range(size[0])])
    cost = ((scaled[:, None] - cells[None] - 0.5) ** 2).sum(axis=2)
    best = cost[linear_sum_assignment(cost)].sum()
    assert ((scaled - layout.cells - 0.5) ** 2).sum() == pytest.approx(best)


def test_a_large_grid_moves_pictures_little() -> None:
    places = np.random.default_rng(1).uniform(size=(4000, 2)).astype(np.float32)
    layout = lay_out(places)
    size = np.array([layout.columns, layout.rows])
    scaled = (places - places.min(axis=0)) / np.ptp(places, axis=0) * size
    assert np.median(np.linalg.norm(scaled - layout.cells - 0.5, axis=1)) < 1


def test_all_in_one_spot_still_finds_room() -> None:
    layout: MapLayout = lay_out(np.full((2000, 2), 0.5, np.float32))
    assert len(np.unique(layout.cells, axis=0)) == 2000


# The picture


def test_the_picture_shows_every_image_and_a_grey_square_for_a_lost_one(tmp_path: Path) -> None:
    collection = built(tmp_path, [f"{number}.png" for number in range(6)])
    (tmp_path / "art" / "2.png").unlink()
    drawn = collection.map(method="pca")
    picture = map_picture(collection, drawn, pixels=600)
    assert picture.mode == "RGB"
    assert max(picture.size) <= 600
    layout = lay_out(drawn.coordinates)
    cell = picture.width // (layout.columns + 1)
    for path, (column, row) in zip(drawn.paths, layout.cells.tolist(), strict=True):
        number = int(path.removesuffix(".png"))
        expected = ((number * 67) % 256, (number * 31) % 256, 90) if number != 2 else (205, 208, 214)
        middle = (cell // 2 + column * cell + cell // 2, cell // 2 + row * cell + cell // 2)
        assert picture.getpixel(middle) == expected, path
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_a_map_of_nothing_is_a_picture_and_a_page(tmp_path: Path) -> None:
    collection = built(tmp_path, ["a.png"])
    empty = collection.map(paths="nothing/*")
    assert len(empty.ids) == empty.total == 0
    assert map_picture(collection, empty).width > 0
    assert data_of(map_page(collection, empty))["paths"] == []


# The page


class Reader(HTMLParser):
    """Collects elements, and the text of scripts and titles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)


def read(page: bytes) -> Reader:
    reader = Reader()
    reader.feed(page.decode("utf-8"))
    return reader


def data_of(page: bytes) -> dict[str, Any]:
    text = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    document = json.loads(text[1])
    assert isinstance(document, dict)
    return document


def hostile_collection(tmp_path: Path) -> Collection:
    names: list[str | bytes] = ["<b>&amp;.png", "\u2028'\"`${1}.png", "\u202egnp.evil.png"]
    names += [f"plain {number}.png" for number in range(9)]
    if os.name != "nt":
        names.append(b"not utf-8 \xff.png")
    art = pictures(tmp_path / "art", names)
    folder = art / "<" / "script><img src=x onerror=boom()>.png"  # a slash parts folders
    folder.parent.mkdir()
    shutil.copy(art / "plain 0.png", folder)
    entry = {"path": "plain 1.png", "tags": [HOSTILE, "cat & <i>dog"]}
    (art / "tags.jsonl").write_text(json.dumps(entry) + "\n", encoding="utf-8")
    return Collection.build(tmp_path / "</title><script>boom()", [art], encoder=GridEncoder())


def test_names_from_strangers_stay_text(tmp_path: Path) -> None:
    collection = hostile_collection(tmp_path)
    page = map_page(collection, collection.map(method="pca"), title=f"{HOSTILE}</title>")
    reader = read(page)
    assert [tag for tag, _ in reader.elements if tag in {"img", "b", "i"}] == []
    assert [tag for tag, _ in reader.elements].count("script") == 2
    assert "".join(reader.texts["title"]).strip() == f"{HOSTILE}</title>"
    document = data_of(page)
    assert HOSTILE.removesuffix("x").replace("</", "</") in document["paths"]
    assert "not utf-8 \\xff.png" in document["paths"] or os.name == "nt"
    assert any("cat & <i>dog" in tag for tag in document["vocabulary"])


def test_the_page_loads_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    collection = built(tmp_path, ["a.png", "b.png"])
    page = map_page(collection, collection.map())
    reader = read(page)
    policy = next(of["content"] for tag, of in reader.elements if of.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; script-src 'sha256-")
    assert "unsafe" not in policy
    loading = {
        name for _, of in reader.elements for name in of if name in {"src", "href", "srcset", "action"}
    }
    assert not loading
    assert not re.search(rb"https?://", page)
    assert str(tmp_path).encode() not in page


def test_the_page_holds_every_thumbnail_and_marks_a_lost_file(tmp_path: Path) -> None:
    collection = built(tmp_path, [f"{number}.png" for number in range(5)])
    (tmp_path / "art" / "3.png").unlink()
    document = data_of(map_page(collection, collection.map()))
    sizes = dict(zip(document["paths"], document["sizes"], strict=True))
    assert sizes["3.png"] == [0, 0]
    assert sizes["0.png"] == [round(192 * 40 / 50), 192]
    assert sizes["1.png"] == [192, round(192 * 50 / 70)]


def test_sheets_are_bounded_even_for_noise() -> None:
    count = 600
    side = sprite_side(count)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    packed = sprite_sheets((Image.fromarray(np.roll(noise, number)) for number in range(count)), side)
    assert sum(map(len, packed.sheets)) <= SHEET_BYTES
    assert len(packed.sizes) == count
    for many in (1, 1000, 20_000):
        assert many * sprite_side(many) ** 2 <= SHEET_PIXELS


def test_a_page_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = built(tmp_path, ["a.png", "b.png"])
    monkeypatch.setattr("i2v_search.pictures.map_page.PAGE_BYTES", 1000)
    with pytest.raises(QueryError, match="draw fewer with --images"):
        map_page(collection, collection.map())


# The command


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["map", *arguments])
    if isinstance(result.exception, I2VSearchError):
        return 2, str(result.exception)
    return result.exit_code, result.stdout if result.exit_code == 0 else result.output


def test_the_command_writes_a_picture_a_page_and_json(tmp_path: Path) -> None:
    built(tmp_path, [f"{letter}{number}.png" for letter in "ab" for number in range(6)])
    where = ("--collection", str(tmp_path / "collection"))
    code, text = run(*where, "--out", str(tmp_path / "new" / "map.png"))
    assert code == 0, text
    assert "12 images, t-SNE" in text
    with Image.open(tmp_path / "new" / "map.png") as picture:
        assert picture.mode == "RGB"
    assert run(*where, "--out", str(tmp_path / "map.HTML"), "--images", "5")[0] == 0
    assert data_of((tmp_path / "map.HTML").read_bytes())["total"] == 12
    code, text = run(*where, "--json", "--path", "b*", "--method", "pca")
    answer = json.loads(text)
    assert {image["path"][0] for image in answer["images"]} == {"b"}
    assert answer["method"] == "pca"


@pytest.mark.parametrize("name", ["map.jpg", "map", "map.html.zip"])
def test_another_ending_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    code, text = run("--collection", str(tmp_path / "missing"), "--out", str(tmp_path / name))
    assert code == 2
    assert ".html or .parquet" in " ".join(text.split())


def test_a_second_map_reads_no_picture_and_arranges_nothing(tmp_path: Path) -> None:
    collection, cache = built(tmp_path, [f"{number}.png" for number in range(9)]), MapCache(tmp_path / "kept")
    stages: list[str] = []
    first = collection.map(cache=cache, report=lambda at: stages.append(at.stage))
    assert set(stages) & WORK
    drawn = map_picture(collection, first, cache=cache)
    page = map_page(collection, first, cache=cache)
    stages.clear()
    again = Collection.open(collection.directory)
    second = again.map(cache=cache, report=lambda at: stages.append(at.stage))
    assert not set(stages) & WORK
    assert np.array_equal(first.coordinates, second.coordinates)
    assert timeless(first) == timeless(second) == timeless(again.map())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "i2v_search.pictures.thumbnails.load_image", lambda *_, **__: pytest.fail("a picture is read")
        )
        assert map_picture(again, second, cache=cache).tobytes() == drawn.tobytes()
        assert map_page(again, second, cache=cache) == page
    assert map_picture(again, second).tobytes() == drawn.tobytes(), "as without what was kept"


def timeless(drawn: CollectionMap) -> dict[str, Any]:
    return {name: value for name, value in drawn.to_dict().items() if name != "seconds"}


def test_another_map_is_made_anew(tmp_path: Path) -> None:
    collection, cache = built(tmp_path, [f"{number}.png" for number in range(9)]), MapCache(tmp_path / "kept")
    collection.map(cache=cache)
    for options in ({"method": "pca"}, {"seed": 1}, {"images": 8}, {"paths": "[0-7].png"}):
        assert timeless(collection.map(cache=cache, **options)) == timeless(collection.map(**options))
    collection.remove(["3.png"])
    assert timeless(collection.map(cache=cache)) == timeless(collection.map())


def test_a_picture_whose_file_changed_or_is_gone_is_read_again(tmp_path: Path) -> None:
    collection, cache = built(tmp_path, ["a.png", "b.png", "c.png"]), MapCache(tmp_path / "kept")
    drawn = collection.map(cache=cache)
    map_picture(collection, drawn, cache=cache)
    files = {name: Path(os.fsdecode(collection.file_path(f"{name}.png"))) for name in "ab"}
    Image.new("RGB", (50, 50), "lime").save(files["a"])
    files["b"].unlink()
    missing: list[Any] = []
    shown = map_picture(collection, drawn, cache=cache, on_missing=missing.append)
    assert shown.tobytes() == map_picture(collection, drawn).tobytes()
    assert [item.path for item in missing] == ["b.png"]


@pytest.mark.parametrize("damage", [b"", b"no zip file", None])
def test_what_is_kept_may_be_damaged_or_its_disk_full(damage: bytes | None, tmp_path: Path) -> None:
    collection, cache = built(tmp_path, ["a.png", "b.png", "c.png"]), MapCache(tmp_path / "kept")
    plain = timeless(collection.map())
    map_picture(collection, collection.map(cache=cache), cache=cache)
    files = list((tmp_path / "kept").iterdir())
    assert len(files) == 2
    for file in files:
        content = file.read_bytes()
        half = len(content) // 2
        file.write_bytes(content[:half] + b"\xff" + content[half + 1 :] if damage is None else damage)
    assert timeless(collection.map(cache=cache)) == plain
    map_picture(collection, collection.map(cache=cache), cache=cache)
    (tmp_path / "file").write_text("where a folder should be made")
    assert timeless(collection.map(cache=MapCache(tmp_path / "file"))) == plain


def test_the_oldest_goes_where_too_much_is_kept(tmp_path: Path) -> None:
    cache = MapCache(tmp_path, most_bytes=2500)
    keys = [MapCache.key(name) for name in ("one", "two", "three")]
    for number, key in enumerate(keys[:2]):
        cache.keep(key, {"x": bytes(1000)})
        os.utime(tmp_path / f"{key}.zip", (number, number))
    assert cache.find(keys[0]), "to be used makes it young"
    cache.keep(keys[2], {"x": bytes(1000)})
    assert [bool(cache.find(key)) for key in keys] == [True, False, True]
    cache.keep(keys[1], {"x": bytes(5000)})
    assert not cache.find(keys[1])


def test_the_command_keeps_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "cache")
    collection = built(tmp_path, ["a.png", "b.png", "c.png"])
    command = ["map", "-c", str(collection.directory), "-o", str(tmp_path / "map.png")]
    for _ in range(2):
        assert CliRunner().invoke(app, command).exit_code == 0
    assert len(list((tmp_path / "cache" / "maps").iterdir())) == 2


def test_nothing_to_write_is_refused(tmp_path: Path) -> None:
    assert run("--collection", str(tmp_path))[0] == 2


# In a browser


def wait(page: Any, condition: str) -> None:
    """Until an expression is true. Playwright's own waiting runs `eval`, which the page's policy refuses."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {condition}")


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A map of hostile names, opened from its file; anything it complains of or loads fails the test."""
    collection = hostile_collection(tmp_path)
    file = tmp_path / "map.html"
    file.write_bytes(map_page(collection, collection.map(method="pca"), title=HOSTILE))
    opened = browser.new_page(viewport={"width": 900, "height": 700})
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on(
        "request",
        lambda request: (
            None if request.url.startswith(("data:", file.as_uri())) else troubles.append(request.url)
        ),
    )
    opened.goto(file.as_uri())
    wait(opened, "sheets.length > 0 && sheets.every((sheet) => sheet.small)")
    yield opened
    assert troubles == []
    opened.close()


def test_the_page_can_be_used_with_the_keyboard_alone(page: Any) -> None:
    assert page.title() == HOSTILE
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    said = page.text_content("#said")
    assert said
    assert page.is_visible("#tip")
    page.keyboard.press("Enter")
    assert page.text_content("#path") == said.split(", ")[0]
    assert page.locator("#near button").count() == 8
    page.keyboard.press("Escape")
    assert page.is_hidden("#detail")
    before = page.evaluate("view.zoom")
    page.keyboard.press("+")
    assert page.evaluate("view.zoom") > before
    page.keyboard.press("0")
    assert page.evaluate("view.zoom") == before


def test_the_page_finds_by_path_and_tag(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("plain 1")
    assert page.text_content("#found") == "1 found"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.text_content("#path") == "plain 1.png"
    assert "cat & <i>dog" in page.locator("#tags button").all_text_contents()
    page.fill("#search", "plain")
    assert page.text_content("#found") == "9 found"
    page.fill("#search", "")
    assert page.text_content("#found") == ""


def test_the_page_is_moved_and_zoomed_with_the_mouse(page: Any) -> None:
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    start = page.evaluate("[view.x, view.zoom]")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    wait(page, f"view.zoom > {start[1]}")
    page.mouse.down()
    page.mouse.move(x - 100, y, steps=4)
    page.mouse.up()
    assert page.evaluate("view.x") > start[0]
    assert page.is_hidden("#detail")
    page.click("#fit")
    at = page.evaluate("toScreen(place(3))")
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])
    assert page.text_content("#path") == page.evaluate("data.paths[3]")
    page.click("#places")
    wait(page, "spread === 0")
    assert page.get_attribute("#places", "aria-pressed") == "true"


def test_the_page_draws_pictures_in_light_and_dark(page: Any) -> None:
    box = page.locator("#map").bounding_box()
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wait(page, "!asked")
        x, y = page.evaluate("toScreen(place(3))")
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            colours = np.asarray(shot.convert("RGB"), np.int64)
        picture = colours[int(box["y"] + y), int(box["x"] + x)]
        assert picture[2] == pytest.approx(90, abs=12), "every picture has this much blue"
        grounds.append(colours[int(box["y"]) + 3, int(box["x"]) + 3].mean())
    assert grounds[0] > 200
    assert grounds[1] < 60
