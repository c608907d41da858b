// What one searches with, as keys: "17" is an image of the collection, "u:<SHA-256>" one that was uploaded, and
// "t:a red dragon" a text. How an image is used may follow: "17~sketch" is searched for as a drawing, and
// "17~sketch~0.1,0.2,0.5,0.5" only the part of it at (x, y, width, height), as shares of its sides.

const SIZES = [160, 320, 640];
const seen = new Map(); // what earlier answers told of an image: path, tags, version, width, height

const IMAGE = /^(\d{1,15}|u:[0-9a-f]{64})$/;
const SHARE = /^(0|1|0\.\d{1,3})$/;
const SKETCH = "sketch";
const DIGITS = 1000; // a share has three

export const uploaded = (key) => key.startsWith("u:");
export const toKey = (found) => (found.id === null || found.id === undefined ? `u:${found.upload}` : String(found.id));
export const isText = (key) => key.startsWith("t:");
export const toText = (words) => `t:${words.trim().replace(/\s+/g, " ")}`;
export const wordsOf = (key) => key.slice(2);
export const toReference = (key) => {
  if (isText(key)) return { text: wordsOf(key) };
  const crop = partOf(key);
  return {
    ...(uploaded(key) ? { upload: imageOf(key).slice(2) } : { id: Number(imageOf(key)) }),
    ...(isSketch(key) ? { kind: "sketch" } : {}),
    ...(crop ? { crop } : {}),
  };
};
export const isImage = (text) => IMAGE.test(text);
export const isKey = (text) => {
  if (isText(text)) return /^t:(?=.*\S).{1,500}$/su.test(text);
  const image = imageOf(text);
  return isImage(image) && text === keyOf(image, { sketch: isSketch(text), part: partOf(text) });
};

/** The image of a key, however it is used. */
export const imageOf = (key) => (isText(key) ? key : key.split("~")[0]);
/** Whether an image is searched for as a drawing. */
export const isSketch = (key) => !isText(key) && key.split("~")[1] === SKETCH;
/** Whether subject and style of it can count apart: not of words, nor of lines. */
export const hasDials = (key) => !isText(key) && !isSketch(key);
/** The part of an image that is searched for, or null for all of it. */
export function partOf(key) {
  const shares = isText(key) ? [] : (key.split("~").slice(isSketch(key) ? 2 : 1)[0] ?? "").split(",");
  const [x, y, width, height] = shares.map(Number);
  const inside = width > 0 && height > 0 && x + width <= 1 && y + height <= 1;
  return shares.length === 4 && shares.every((share) => SHARE.test(share)) && inside ? [x, y, width, height] : null;
}
/** The key of an image that is used so. */
export function keyOf(image, { sketch = false, part = null } = {}) {
  return [image, ...(sketch ? [SKETCH] : []), ...(part ? [part.join(",")] : [])].join("~");
}
/** A part of an image in whole thousandths, inside it and not empty. */
export function rounded([x, y, width, height]) {
  const along = (from, length) => {
    const start = Math.min(DIGITS - 1, Math.max(0, Math.round(from * DIGITS)));
    const end = Math.min(DIGITS, Math.max(start + 1, Math.round((from + length) * DIGITS)));
    return [start / DIGITS, (end - start) / DIGITS];
  };
  const [[left, wide], [top, tall]] = [along(x, width), along(y, height)];
  return [left, top, wide, tall];
}

/** Remember what an answer says of an image, so that its name and picture are at hand elsewhere. */
export function remember(key, facts) {
  seen.set(imageOf(key), { ...known(key), ...facts });
}
export const known = (key) => seen.get(imageOf(key)) ?? {};

/** Address of a thumbnail whose longer side fills `side` CSS pixels. */
export function thumbnail(key, side) {
  if (uploaded(key)) return known(key).small ?? `api/v1/uploads/${imageOf(key).slice(2)}/thumbnail`;
  const pixels = side * Math.min(devicePixelRatio || 1, 2);
  const size = SIZES.find((each) => each >= pixels) ?? SIZES.at(-1);
  return `api/v1/images/${imageOf(key)}/thumbnail?size=${size}${stamp(key)}`;
}
export function large(key) {
  if (uploaded(key)) return known(key).local ?? thumbnail(key, 0);
  return `api/v1/images/${imageOf(key)}/large${stamp(key).replace("&", "?")}`;
}
/** Address of an image's original file, which the browser saves and does not show. */
export const original = (key) => `api/v1/images/${imageOf(key)}/original`;
/** Address of a part of the original: left, top, width and height in its pixels. */
export const region = (key, [x, y, width, height]) =>
  `api/v1/images/${imageOf(key)}/region?x=${x}&y=${y}&width=${width}&height=${height}${stamp(key)}`;
/** Address of a frame of an animation, from 0. */
export const frame = (key, number) => `api/v1/images/${imageOf(key)}/frames/${number}${stamp(key).replace("&", "?")}`;
const stamp = (key) => (known(key).version ? `&v=${known(key).version}` : "");

/** The name of a file without its folder, for people. */
export const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);
