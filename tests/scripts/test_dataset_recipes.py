"""Recipes make data sets from packages: here from tiny ones made up on the spot, never from the network."""

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from i2v_search.errors import RecipeError
from i2v_search.progress import Progress
from i2v_search.tags.vocabulary import normalise_tag
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from scripts.lite.recipes import characters, emoji, make_dataset, openclipart, rendering
from scripts.lite.recipes.fetching import PACKAGES, fetch, require
from scripts.lite.recipes.writing import Drawing, finish, slug, writing

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = f'<svg {NAMESPACES} viewBox="0 0 64 64">{{}}</svg>'
DISC = '<circle cx="{x}" cy="30" r="{r}" fill="{fill}"/><path d="M8 50h{r}v8z"/>'


def tgz(file: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, document in members.items():
            content = json.dumps(document).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def names(folder: Path) -> Path:
    """An emojibase-data of a cat, two farmers, a watch, a clock face and a flag."""
    entries = [
        ("1F431", "cat face", 3, 34, ["cat", "face", "pet"]),
        ("1F468-200D-1F33E", "man farmer", 1, 25, ["farmer", "man"]),
        ("1F469-200D-1F33E", "woman farmer", 1, 25, ["farmer", "woman", "5", "a"]),
        ("231A", "watch", 5, 58, ["clock"]),
        ("1F550", "one o’clock", 5, 58, ["clock"]),
        ("1F1E6", "flag: Andorra", 9, 98, ["AD"]),
    ]
    data = [
        {"hexcode": code, "label": label, "group": group, "subgroup": subgroup, "tags": tags}
        for code, label, group, subgroup, tags in entries
    ]
    groups = {"1": "people-body", "3": "animals-nature", "5": "travel-places", "9": "flags"}
    subgroups = {"25": "person-role", "34": "animal-mammal", "58": "time", "98": "country-flag"}
    meta = {"groups": groups, "subgroups": subgroups}
    return tgz(
        folder / "emojibase-data-17.0.0.tgz",
        {"en/data.json": [*data, {"hexcode": "1F3FB", "label": "tone"}], "meta/groups.json": meta},
    )


def style(folder: Path, name: str, fill: str, licence: str = "MIT", **icons: str) -> Path:
    """A style with a cat, a farmer in two tones, an icon of nothing known, and what the test adds."""
    bodies = {
        "cat-face": DISC.format(x=20, r=12, fill=fill),
        "man-farmer": DISC.format(x=40, r=20, fill=fill),
        "man-farmer-dark": DISC.format(x=41, r=20, fill="#321"),
        "nobody": "<g/>",
        **icons,
    }
    codes = {
        "1f431": "cat-face",
        "1f468-200d-1f33e": "man-farmer",
        "1f468-1f3ff-200d-1f33e": "man-farmer-dark",
    }
    return tgz(
        folder / f"iconify-json-{name}-1.0.{len(fill)}.tgz",
        {
            "icons.json": {
                "icons": {key: {"body": body} for key, body in bodies.items()},
                "width": 64,
                "height": 64,
            },
            "info.json": {"license": {"spdx": licence}, "author": {"name": f"Artist of {name}"}},
            "chars.json": codes,
            "package.json": {"version": "1.0.9"},
        },
    )


def annotations(folder: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "tags.jsonl").read_text("utf-8").splitlines()]
    return {line["path"]: line for line in lines}


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


# Emoji


def test_emoji_of_two_styles_share_concepts(tmp_path: Path) -> None:
    square = '<rect x="10" y="10" width="40" height="20" fill="green"/>'
    wide, tall, thin = (f'<ellipse cx="32" cy="32" rx="{width}" ry="9" fill="gold"/>' for width in (31, 5, 1))
    packages = [
        names(tmp_path),
        style(
            tmp_path, "noto", "red", **{"woman-farmer": square, "one-oclock": square, "flag-andorra": square}
        ),
        style(tmp_path, "fxemoji", "blue", **{"cat-face": wide, "man-farmer": tall, "watch": thin}),
    ]
    seen: list[Progress] = []
    made = make_dataset("emoji", tmp_path / "set", package=packages, report=seen.append)
    assert (made.pictures, made.licences) == (6, {"MIT": 6})
    assert made.left_out["noto: tones, flags, symbols, unknown names"] == 4
    found = annotations(tmp_path / "set")
    assert set(found) == {
        *(f"{name}/animal-mammal/1f431.webp" for name in ("noto", "fxemoji")),
        *(f"{name}/person-role/1f468-200d-1f33e.webp" for name in ("noto", "fxemoji")),
        "noto/person-role/1f469-200d-1f33e.webp",
        "fxemoji/time/231a.webp",
    }
    assert found["noto/person-role/1f469-200d-1f33e.webp"] == {
        "path": "noto/person-role/1f469-200d-1f33e.webp",
        "title": "woman farmer",
        "author": "Artist of noto",
        "tags": ["farmer", "woman", "person", "role"],
        "label": "person role",
        "group": "1F9D1-200D-1F33E",
        "source": "@iconify-json/noto 1.0.9, woman-farmer",
        "licence": "MIT",
    }
    farmers = {line["group"] for path, line in found.items() if "person-role" in path}
    assert farmers == {"1F9D1-200D-1F33E"}
    dataset = read_dataset(tmp_path / "set")
    with Image.open(io.BytesIO(dataset.read(dataset.pictures[0]))) as picture:
        assert (picture.format, max(picture.size)) == ("WEBP", rendering.LONGEST_SIDE)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert seen[-1].done == seen[-1].total == 6
    facts = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert (facts["pictures"], facts["labels"], facts["groups"]) == (6, 3, 3)
    assert facts["renderer"].startswith("resvg_py ")
    assert [package["version"] for package in facts["packages"]] == ["17.0.0", "1.0.9", "1.0.9"]
    assert all(len(package["sha256"]) == 64 for package in facts["packages"])
    assert "Artist of fxemoji" in (tmp_path / "set" / "README.md").read_text()


def test_a_set_made_twice_has_the_same_bytes(tmp_path: Path) -> None:
    packages = [names(tmp_path), style(tmp_path, "noto", "red")]
    make_dataset("emoji", tmp_path / "one", package=packages)
    make_dataset("emoji", tmp_path / "two", package=packages)
    (tmp_path / "one" / "stray.webp").write_bytes(b"")
    make_dataset("emoji", tmp_path / "one", package=packages)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["one", "two"]


def test_drawings_nearly_the_same_are_kept_once(tmp_path: Path) -> None:
    packages = [names(tmp_path), style(tmp_path, "noto", "red"), style(tmp_path, "fxemoji", "#fe0101")]
    made = make_dataset("emoji", tmp_path / "set", package=packages)
    assert made.pictures == 2
    assert made.left_out["nearly the same as another"] == 2


def test_share_alike_and_damaged_packages_are_refused(tmp_path: Path) -> None:
    known = names(tmp_path)
    with pytest.raises(RecipeError, match=r"is under CC-BY-SA-4\.0; this recipe takes"):
        make_dataset(
            "emoji", tmp_path / "set", package=[known, style(tmp_path, "noto", "red", licence="CC-BY-SA-4.0")]
        )
    (tmp_path / "iconify-json-noto-1.0.3.tgz").write_bytes(b"damaged")
    with pytest.raises(RecipeError, match="cannot be read"):
        make_dataset("emoji", tmp_path / "set", package=[known, tmp_path / "iconify-json-noto-1.0.3.tgz"])
    with pytest.raises(RecipeError, match=r"--package needs emojibase-data-VERSION\.tgz and one or more"):
        make_dataset("emoji", tmp_path / "set", package=[known])
    wrong = tgz(known, {"en/data.json": [{}], "meta/groups.json": {"groups": [], "subgroups": {}}})
    packages = [wrong, style(tmp_path, "noto", "red")]
    with pytest.raises(RecipeError, match="is not emojibase-data as it was"):
        make_dataset("emoji", tmp_path / "set", package=packages)
    assert not (tmp_path / "set").exists()
    assert not list(tmp_path.glob(".set*"))


codes = st.lists(st.sampled_from(["1F468", "1F469", "1F9D1", "1F33E", "2640", "FE0F", "1F3FB"]), min_size=1)


@given(codes, st.lists(st.integers(0, 9), max_size=4))
def test_tones_and_selectors_never_make_another_concept(parts: list[str], places: list[int]) -> None:
    toned = list(parts)
    for place in places:
        toned.insert(min(place, len(toned)), ("FE0F", "1F3FD", "1F3FF")[place % 3])
    assert emoji.plain_code("-".join(toned)) == emoji.plain_code("-".join(parts).lower())


# Openclipart


RDF = """<svg xmlns="http://www.w3.org/2000/svg" width="{size}pt" height="{size}pt" viewBox="0 0 64 64">
<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://web.resource.org/cc/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><cc:Work rdf:about=""><dc:title>{title}</dc:title>
<dc:creator><cc:Agent><dc:title>Ann (ann@example.org)</dc:title></cc:Agent></dc:creator>
<dc:subject><rdf:Bag>{subjects}</rdf:Bag></dc:subject><cc:license rdf:resource="{licence}"/></cc:Work>
</rdf:RDF></metadata>{body}</svg>"""
FREE = "http://web.resource.org/cc/PublicDomain"


def clip_art(root: Path, name: str, number: int, subjects: str = "bird", **said: str) -> None:
    disc = DISC.format(x=20 + number, r=9, fill="navy")
    body = f'<g transform="translate({number * 3} 5) scale(.{number + 1})">{disc}</g>'
    body += f'<rect x="{number * 5}" y="{50 - number * 6}" width="{4 + number * 4}" height="7"/>'
    filled = "".join(f"<rdf:li>{subject}</rdf:li>" for subject in subjects.split())
    values = {"title": "A wren", "licence": FREE, "body": body, "size": "100", **said}
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(RDF.format(subjects=filled, **values), "utf-8")


def clip_arts(root: Path) -> Path:
    clip_art(root, "animals/birds/wren_01.svg", 1, "bird wren")
    clip_art(root, "animals/birds/wren_02.svg", 2, "birds wren")
    clip_art(root, "animals/owl.svg", 3, "bird owl rare", title="Snowy owl and wren")
    clip_art(root, "unsorted/robin.svg", 4, "bird wren")
    clip_art(root, "unsorted/again.svg", 1, "bird song")
    clip_art(root, "unsorted/tune.svg", 5, "bird song")
    clip_art(root, "unsorted/melody.svg", 6, "song")
    clip_art(root, "food/badge.svg", 7, "icon bird")
    clip_art(root, "food/tea.svg", 7, "bird", licence="http://example.org/mine")
    clip_art(root, "people/smilies/glad.svg", 8, "bird")
    clip_art(root, "people/empty.svg", 8, "bird", body="<g/>")
    (root / "food/broken.svg").write_text("<svg")
    return root


def test_openclipart_takes_free_illustrations(tmp_path: Path) -> None:
    made = make_dataset("openclipart", tmp_path / "set", package=[clip_arts(tmp_path / "svg")])
    assert made.licences == {"Public domain": 6}
    assert {reason: count for reason, count in made.left_out.items() if count} == {
        "an icon, logo, flag, map or sign by its subjects": 1,
        "could not be drawn": 1,
        "no statement of the public domain": 2,
        "the same as another": 1,
    }
    found = annotations(tmp_path / "set")
    assert found["animals/birds/wren-01.webp"] == {
        "path": "animals/birds/wren-01.webp",
        "title": "A wren",
        "author": "Ann",
        "tags": ["animals", "bird", "wren", "song"],
        "label": "animals/birds",
        "group": "animals/birds/wren",
        "source": "Openclipart 0.18, animals/birds/wren_01.svg",
        "licence": "Public domain",
    }
    assert found["animals/birds/wren-02.webp"]["group"] == "animals/birds/wren"
    assert found["animals/owl.webp"]["tags"] == ["animals", "bird", "wren"]
    assert found["unsorted/robin.webp"]["label"] == ""
    assert "unsorted/again.webp" not in found


@pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb, which Debian has, packs the test's .deb"
)
def test_openclipart_is_read_from_its_package(tmp_path: Path) -> None:
    clip_arts(tmp_path / "deb" / openclipart.SVG_ROOT)
    control = tmp_path / "deb" / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(
        "Package: openclipart-svg\nVersion: 1:0.18-1\nArchitecture: all\nMaintainer: a <a@example.org>\n"
        "Description: drawings\n"
    )
    package = tmp_path / "openclipart-svg_0.18-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "deb", package], check=True, capture_output=True)
    make_dataset("openclipart", tmp_path / "set", package=[package])
    make_dataset("openclipart", tmp_path / "same", package=[tmp_path / "deb" / openclipart.SVG_ROOT])
    one, other = content(tmp_path / "set"), content(tmp_path / "same")
    assert {name for name in one if one[name] != other[name]} == {"README.md", "dataset.json"}
    assert json.loads(one["dataset.json"])["packages"][0]["version"] == "0.18-1"
    package.write_bytes(b"damaged")
    with pytest.raises(RecipeError, match="cannot be unpacked by dpkg-deb"):
        make_dataset("openclipart", tmp_path / "set", package=[package])
    assert content(tmp_path / "set") == one


# Characters


def test_the_table_fits_the_styles_that_are_installed() -> None:
    table = characters.read_rules()
    definitions = characters.read_styles(table)
    assert len(definitions) == len(table) == 33
    for rules in table.values():
        for tag in rules.expressed:
            assert tag == normalise_tag(tag)


def test_characters_say_what_they_show_and_what_nobody_knows(tmp_path: Path) -> None:
    folder = tmp_path / "styles"
    folder.mkdir()
    for name in ("lorelei", "lorelei-neutral", "toon-head"):
        (folder / f"{name}.json").write_text(
            json.dumps(characters.read_styles(characters.read_rules())[name])
        )
    made = characters.make(tmp_path / "set", pictures=3, package=[folder])
    assert (made.pictures, made.licences) == (9, {"CC0-1.0": 6, "CC-BY-4.0": 3})
    dataset = read_dataset(tmp_path / "set")
    table = characters.read_rules()
    everywhere = {tag for rules in table.values() for tag in rules.always}
    every = {tag for rules in table.values() for tag in rules.expressed}
    for one in dataset.pictures:
        held = {tag.name for tag in one.tags}
        assert held <= table[one.label].expressed
        assert one.unknown == every - everywhere - table[one.label].expressed
        assert one.group == one.label.removesuffix("-neutral")
    assert {one.group for one in dataset.pictures} == {"lorelei", "toon-head"}
    assert "Lisa Wischofsky" in (tmp_path / "set" / "README.md").read_text()


def test_options_become_tags() -> None:
    rules = characters.read_rules()["adventurer"]
    options = {
        "hairVariant": "long07",
        "hairColor": ["#e5d7a3"],
        "skinColor": ["#763900"],
        "mouthVariant": "variant09",
    }
    assert characters.tags_of(rules, options) == ("long hair", "blonde hair", "dark skin")
    assert "glasses" in characters.tags_of(rules, {**options, "glassesVariant": "variant01"})
    bald = characters.read_rules()["micah"]
    assert characters.tags_of(bald, {"hairVariant": "mrClean", "hairColor": ["#000000"]}) == ("bald",)


@given(st.text("0123456789abcdef", min_size=6, max_size=6))
def test_every_colour_has_a_name(code: str) -> None:
    assert f"{characters.colour_name('#' + code)} hair" in characters.HAIR_TAGS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda style: style["meta"]["license"].update(name="Mine"), "under 'Mine'; this recipe takes"),
        (lambda style: style["components"].pop("glasses"), "draws no glasses called"),
        (lambda style: style.pop("meta"), "is no style of DiceBear"),
    ],
)
def test_a_style_that_changed_is_refused(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    table = {"adventurer": characters.read_rules()["adventurer"]}
    definition = characters.read_styles(table)["adventurer"]
    change(definition)
    (tmp_path / "adventurer.json").write_text(json.dumps(definition))
    with pytest.raises(RecipeError, match=said):
        characters.read_styles(table, tmp_path)
    with pytest.raises(RecipeError, match="holds none of the styles"):
        characters.read_styles({"micah": table["adventurer"]}, tmp_path)


# Fetching, rendering, writing


def test_a_missing_client_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match=r"fetched by npm, which is not installed: install Node\.js"):
        fetch("emojibase-data", tmp_path)
    with pytest.raises(RecipeError, match=r"apt-get, which is not installed: .* as --package"):
        fetch("openclipart-svg", tmp_path)
    with pytest.raises(RecipeError, match="dpkg-deb, which unpacks the package"):
        openclipart.unpack(tmp_path / "a.deb", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="the made-up client is a shell script")
def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho no such version >&2\nexit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "work").mkdir()
    with pytest.raises(RecipeError, match=r"npm pack .*emojibase-data@17\.0\.0 failed: no such version"):
        fetch("emojibase-data", tmp_path / "work")
    client.write_text("#!/bin/sh\nprintf x > emojibase-data-17.0.0.tgz\n")
    fetched = fetch("emojibase-data", tmp_path / "work")
    assert fetched.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_a_missing_python_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dicebear = PACKAGES["dicebear-core"]
    monkeypatch.setitem(PACKAGES, "no-such-package", dataclasses.replace(dicebear, name="no-such-package"))
    with pytest.raises(RecipeError, match=r"not installed: pip install 'i2v-search\[lite\]'"):
        require("no-such-package")
    monkeypatch.setitem(PACKAGES, "dicebear-core", dataclasses.replace(dicebear, version="9.0"))
    with pytest.raises(RecipeError, match=r"this recipe needs 9\.0: pip install dicebear-core==9\.0"):
        require("dicebear-core")
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(RecipeError, match="rendered by resvg_py"):
        rendering.draw("<svg/>")
    with pytest.raises(RecipeError, match="is a file of openclipart-svg"):
        fetch("openclipart-svg", tmp_path, [tmp_path / "a.deb"])


def test_drawings_are_trimmed_and_fill_their_picture() -> None:
    small = SVG.format('<rect x="40" y="40" width="4" height="2" fill="red"/>')
    drawn = rendering.draw(small, trim=True)
    assert drawn is not None
    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.size == (320, 166)
        assert picture.getpixel((160, 83)) == (255, 0, 0)
        assert picture.getpixel((2, 2)) == (255, 255, 255)
    whole = rendering.draw(small)
    assert whole is not None
    with Image.open(io.BytesIO(whole)) as picture:
        assert picture.size == (320, 320)


@pytest.mark.parametrize(
    "svg", ["", "<svg", SVG.format(""), "<svg xmlns='http://www.w3.org/2000/svg' width='0'/>"]
)
def test_what_cannot_be_drawn_is_none(svg: str) -> None:
    assert rendering.draw(svg) is None


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_other_files_are_not_drawn(tmp_path: Path, quote: str, scheme: str) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    link = f"{scheme}{tmp_path}/red.png"
    for attribute in (f"href={quote}{link}{quote}", f"xlink:href = {quote}{link}{quote}"):
        assert rendering.draw(SVG.format(f'<image width="50" height="50" {attribute}/>')) is None
    entity = f'<!DOCTYPE svg [<!ENTITY secret SYSTEM "{link}">]>'
    assert rendering.draw(entity + SVG.format("<desc>&secret;</desc>")) is None
    assert "red.png" not in rendering.without_references(SVG.format(f"<style>a{{fill:url({link})}}</style>"))


def test_references_within_a_drawing_stay() -> None:
    inner = '<linearGradient id="a"><stop stop-color="red"/></linearGradient><rect id="b" fill="url(#a)"/>'
    svg = SVG.format(inner + '<use xlink:href="#b"/><rect fill="url( \'#a\' )"/>')
    assert rendering.without_references(svg) == svg


def test_many_drawings_come_back_in_order_and_a_slow_one_is_given_up() -> None:
    turbulence = '<feTurbulence baseFrequency="0.9" numOctaves="900" seed="{}"/>'
    slow = "".join(turbulence.format(number) for number in range(200))
    endless = SVG.format(f'<filter id="f">{slow}</filter><rect width="64" height="64" filter="url(#f)"/>')
    fine = [SVG.format(f'<rect width="{width}" height="8"/>') for width in (8, 16, 32, 48)]
    drawn = list(rendering.draw_all([fine[0], endless, fine[1], "", *fine[2:]], trim=True, seconds=5))
    assert [one is None for one in drawn] == [False, True, False, True, False, False]
    heights = []
    for one in (drawn[0], drawn[2], *drawn[4:]):
        assert one is not None
        with Image.open(io.BytesIO(one)) as picture:
            heights.append(picture.height)
    assert heights == pytest.approx([320, 166, 89, 63], abs=1)


def test_a_folder_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "drawing.png").write_bytes(b"precious")
    with pytest.raises(RecipeError, match="is not a data set made by a recipe"), writing(tmp_path / "mine"):
        pass
    assert content(tmp_path / "mine") == {"drawing.png": b"precious"}


def test_two_drawings_never_share_a_name(tmp_path: Path) -> None:
    drawing = Drawing("a.webp", "", "", ("x",), "", "", "", "")
    with writing(tmp_path / "set") as made:
        made.add(drawing, b"1")
        with pytest.raises(RecipeError, match=r"two drawings would be called a\.webp"):
            made.add(drawing, b"2")
    with pytest.raises(RecipeError, match="no picture could be made"), writing(tmp_path / "set") as made:
        finish(made, tmp_path / "set", recipe="x", about="", packages=[])
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_file_names_are_plain(name: str) -> None:
    plain = slug(name)
    assert plain.isascii()
    assert plain == plain.lower() == slug(plain)
    assert all(letter.isalnum() or letter == "-" for letter in plain)


# The command line


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False
    )


def test_the_command_line_makes_a_set_and_describes_it(tmp_path: Path) -> None:
    packages = [names(tmp_path), style(tmp_path, "noto", "red")]
    given = [part for package in packages for part in ("--package", str(package))]
    make = ("-m", "scripts.lite.make_dataset", "emoji")
    made = run(*make, "--out", tmp_path / "set", *given)
    assert made.returncode == 0, made.stderr
    assert "2 pictures in" in made.stdout
    assert "licence MIT: 2" in made.stdout
    info = ("-m", "i2v_search", "dataset", "info", tmp_path / "set")
    assert json.loads(run(*info, "--json").stdout)["licences"] == {"MIT": 2}
    assert "set: 2 pictures in 2 groups; 0 missing" in run(*info).stdout
    refused = run(*make, "--out", tmp_path, *given)
    assert refused.returncode == 1
    assert "name another folder" in refused.stderr


def test_a_made_set_is_a_data_set(tmp_path: Path) -> None:
    make_dataset("emoji", tmp_path / "set", package=[names(tmp_path), style(tmp_path, "noto", "red")])
    dataset: Dataset = read_dataset(tmp_path / "set")
    assert [one.licence for one in dataset.pictures] == ["MIT", "MIT"]
    assert not dataset.skipped
