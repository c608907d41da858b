// What one searches with, as keys: "17" is an image of the collection, "u:<SHA-256>" one that was uploaded, and
// "t:a red dragon" a text.

const SIZES = [160, 320, 640];
const seen = new Map(); // what earlier answers told of an image: path, tags, version, width, height

export const uploaded = (key) => key.startsWith("u:");
export const toKey = (found) => (found.id === null || found.id === undefined ? `u:${found.upload}` : String(found.id));
export const isText = (key) => key.startsWith("t:");
export const toText = (words) => `t:${words.trim().replace(/\s+/g, " ")}`;
export const wordsOf = (key) => key.slice(2);
export const toReference = (key) =>
  isText(key) ? { text: wordsOf(key) } : uploaded(key) ? { upload: key.slice(2) } : { id: Number(key) };
export const isImage = (text) => /^(\d{1,15}|u:[0-9a-f]{64})$/.test(text);
export const isKey = (text) => isImage(text) || /^t:(?=.*\S).{1,500}$/su.test(text);

/** Remember what an answer says of an image, so that its name and picture are at hand elsewhere. */
export function remember(key, facts) {
  seen.set(key, { ...seen.get(key), ...facts });
}
export const known = (key) => seen.get(key) ?? {};

/** Address of a thumbnail whose longer side fills `side` CSS pixels. */
export function thumbnail(key, side) {
  if (uploaded(key)) return `api/v1/uploads/${key.slice(2)}/thumbnail`;
  const pixels = side * Math.min(devicePixelRatio || 1, 2);
  const size = SIZES.find((each) => each >= pixels) ?? SIZES.at(-1);
  return `api/v1/images/${key}/thumbnail?size=${size}${stamp(key)}`;
}
export function large(key) {
  if (uploaded(key)) return known(key).local ?? thumbnail(key, 0);
  return `api/v1/images/${key}/large${stamp(key).replace("&", "?")}`;
}
const stamp = (key) => (known(key).version ? `&v=${known(key).version}` : "");

/** The name of a file without its folder, for people. */
export const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);
