"""Pictures drawn here are signed, and a build passes over them whatever they are called."""

import io
from pathlib import Path

import pytest
from grids import GridEncoder, draw_folder
from PIL import Image

from i2v_search import Collection, morph_animation, morph_picture, search_picture
from i2v_search.images.sample import sample_directory
from i2v_search.images.signature import is_signed, signed


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "avif", "tif"])
def test_every_format_with_text_is_signed(tmp_path: Path, ending: str) -> None:
    picture = Image.effect_noise((300, 200), 80).convert("RGB")
    signed(picture).save(tmp_path / f"signed.{ending}")
    picture.save(tmp_path / f"plain.{ending}")
    assert is_signed((tmp_path / f"signed.{ending}").read_bytes())
    assert not is_signed((tmp_path / f"plain.{ending}").read_bytes())
    with Image.open(tmp_path / f"signed.{ending}") as one, Image.open(tmp_path / f"plain.{ending}") as other:
        assert one.convert("RGB").tobytes() == other.convert("RGB").tobytes()


def test_a_picture_is_signed_in_memory_too_and_others_of_it_are_not() -> None:
    file, copy = io.BytesIO(), io.BytesIO()
    picture = signed(Image.new("RGB", (40, 40)))
    picture.save(file, "JPEG", quality=90)
    picture.crop((0, 0, 20, 20)).save(copy, "PNG")
    assert is_signed(file.getvalue())
    assert not is_signed(copy.getvalue())


@pytest.mark.integration
def test_a_build_passes_over_sheets_strips_and_animations(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    draw_folder(folder, 8)
    art = Collection.build(tmp_path / "c", [folder], encoder=GridEncoder())
    search_picture(art, art.search(art.ids[0])).save(folder / "references.png")
    morph = art.morph(art.ids[0], art.ids[1], steps=2)
    morph_picture(art, morph).save(folder / "a strip.jpg")
    morph_animation(art, morph, format="webp", side=64).save(folder / "film.webp")
    morph_animation(art, morph, format="gif", side=64).save(folder / "film.gif")
    again = Collection.extract(tmp_path / "c", [folder], encoder=GridEncoder())
    assert len(again) == 8
    assert again.report.extraction is not None
    assert [str(item) for item in again.report.extraction.not_read] == ["4 drawn by i2v-search"]


def test_pictures_of_others_are_not_taken_for_ours() -> None:
    assert not any(is_signed(file.read_bytes()) for file in sample_directory().rglob("*.webp"))
