"""Parts of pictures: which pixels a box of shares holds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from i2v_search.images.crops import cut

SIDES = st.integers(1, 3000)


@given(st.data(), SIDES, SIDES)
def test_a_box_of_whole_pixels_is_these_pixels(data: st.DataObject, width: int, height: int) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    wide, high = data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    image = Image.new("L", (width, height))
    image.putpixel((left, top), 1)
    image.putpixel((left + wide - 1, top + high - 1), 2)
    part = cut(image, (left / width, top / height, wide / width, high / height))
    assert part.size == (wide, high)
    assert part.getpixel((wide - 1, high - 1)) == 2


@given(SIDES, SIDES, st.floats(0, 0.999), st.floats(0, 0.999), st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_every_box_holds_a_pixel_and_none_outside(
    width: int, height: int, x: float, y: float, wide: float, high: float
) -> None:
    part = cut(Image.new("L", (width, height), 7), (x, y, min(wide, 1 - x), min(high, 1 - y)))
    assert np.asarray(part).size > 0
    assert np.asarray(part).min() == 7
