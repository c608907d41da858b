// The picture of an example, small: all of it, or the part that is searched for.

import { h } from "./dom.js";
import { lies } from "./fitted.js";
import { partOf, thumbnail } from "./reference.js";

/** An image of `side` CSS pixels, and what holds it. */
export function small(key, side) {
  const part = partOf(key);
  const [x, y, width, height] = part ?? [0, 0, 1, 1];
  const image = h("img", { src: thumbnail(key, side / Math.min(width, height)), alt: "", draggable: "false" });
  if (!part) return { image, holder: image };
  const holder = h("span", { class: "cropped" }, image);
  image.addEventListener("load", () => {
    const [wide, tall] = [image.naturalWidth * width, image.naturalHeight * height];
    const [left, top, shown] = lies("cover", [wide, tall], [holder.clientWidth, holder.clientHeight]);
    const scale = shown / wide;
    Object.assign(image.style, {
      width: `${image.naturalWidth * scale}px`, height: `${image.naturalHeight * scale}px`,
      left: `${left - x * image.naturalWidth * scale}px`, top: `${top - y * image.naturalHeight * scale}px`,
    });
  });
  return { image, holder };
}
