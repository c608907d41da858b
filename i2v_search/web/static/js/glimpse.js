// What a thumbnail shows of a picture, and at which size: small pictures in whole numbers of pixels, of a strip the beginning.

import { lies } from "./fitted.js";
import { h } from "./dom.js";
import { known } from "./reference.js";
import { TEXT, say } from "./strings.js";

const STRIP = 4, SHOWN = 2; // as the server makes them: longer than so many times its width, and so many are shown
const MOST = 4; // times that a picture is enlarged

/** Width and height of what is shown of a picture. */
function shown([width, height]) {
  if (height > STRIP * width) return [width, SHOWN * width];
  if (width > STRIP * height) return [SHOWN * height, height];
  return [width, height];
}

/** Width over height of what is shown of a picture. */
export const ratio = ({ width, height }) => {
  const [wide, tall] = shown([width, height]);
  return wide && tall ? wide / tall : 1;
};

/** How many times a picture is enlarged that is smaller than its place: a whole number, else less than 1. */
const enlarged = ([width, height], [wide, tall]) => {
  const fits = Math.min(wide / width, tall / height);
  return fits < 1 ? fits : Math.min(MOST, Math.floor(fits));
};

/**
 * Left, top, width and height of the thumbnail in its place and of the whole picture, which of a strip is longer.
 * `fit` says how a picture as large as the place or larger lies in it.
 */
export function lay(picture, place, fit) {
  const part = shown(picture), scale = enlarged(part, place);
  const size = part.map((side) => side * scale);
  const [left, top, width, height] = scale < 1 ? lies(fit, part, place) : [(place[0] - size[0]) / 2, (place[1] - size[1]) / 2, ...size];
  const whole = [left, top, (width * picture[0]) / part[0], (height * picture[1]) / part[1]];
  return { thumbnail: [left, top, width, height], whole, scale };
}

/** Show a thumbnail in its true pixels, or a whole number of times as large, where it is smaller than its place. */
export function crisp(picture) {
  picture.addEventListener("load", () => {
    const { naturalWidth: width, naturalHeight: height } = picture;
    const scale = enlarged([width, height], [picture.clientWidth, picture.clientHeight]);
    if (!(scale >= 1)) return;
    picture.classList.toggle("crisp", scale > 1);
    picture.style.objectFit = "none";
    if (scale === 1) return;
    [picture.style.width, picture.style.height] = [`${width * scale}px`, `${height * scale}px`];
    [picture.style.objectFit, picture.style.margin] = ["fill", "auto"];
  }, { once: true });
  return picture;
}

/** The words that only a part of a strip is shown, or "". */
export function cutWords(key) {
  const { width, height } = known(key);
  const [wide, tall] = width && height ? shown([width, height]) : [width, height];
  return wide === width && tall === height ? "" : say(TEXT.partOfStrip, width.toLocaleString(), height.toLocaleString());
}
/** The same as a mark on a thumbnail, or null. */
export const cutMark = (key) => {
  const words = cutWords(key);
  return words ? h("span", { class: "cut", "aria-hidden": "true", title: words }, words) : null;
};
