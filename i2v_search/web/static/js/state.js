// What is shown, as one plain object that the address holds: Back, bookmarks and shared links bring it back.

import { imageOf, isImage, isKey, keyOf, isSketch, partOf } from "./reference.js";
import { parseTag, writeTag } from "./tagquery.js";

const EMPTY = Object.freeze({
  view: "grid", // or "map"
  like: [], // keys of images and texts to be like
  unlike: [], // and unlike
  tags: [], // "smile", "-glasses"
  rating: "",
  min: null, // least score
  different: 0, // 0 (plain order) to 10 (as different from one another as can be)
  copies: "", // "1" shows copies too
  a: "", // ends of the morph
  b: "",
  via: [], // keys of its waypoints, in order
  steps: 6, // pictures between; null ("auto" in the address) lets the method choose
  out: [], // ids that may not be on the way
  image: "", // shown large
});
const LISTS = ["like", "unlike", "via"];
const listeners = new Set();
let now = EMPTY;

export const state = () => now;

/** Read a state from the query of an address; what makes no sense in it is passed over. */
function read(query) {
  const given = new URLSearchParams(query);
  const keys = (name) => given.getAll(name).filter(isKey).slice(0, 32);
  const number = (name, low, high) => {
    const value = given.has(name) ? Number(given.get(name)) : NaN;
    return value >= low && value <= high ? value : null;
  };
  const one = (name) => (isKey(given.get(name) ?? "") ? given.get(name) : "");
  return {
    ...EMPTY,
    ...Object.fromEntries(LISTS.map((name) => [name, keys(name)])),
    view: given.get("view") === "map" ? "map" : "grid",
    tags: given.getAll("tag").filter((tag) => parseTag(tag).name).slice(0, 32),
    rating: given.get("rating") ?? "",
    min: number("min", -1, 1),
    different: number("different", 0, 10) ?? 0,
    copies: given.get("copies") === "1" ? "1" : "",
    a: one("a"),
    b: one("b"),
    steps: given.get("steps") === "auto" ? null : number("steps", 0, 60) ?? EMPTY.steps,
    out: keys("out").filter((key) => /^\d+$/.test(key)),
    image: isImage(given.get("image") ?? "") ? given.get("image") : "",
  };
}

/** The address of a state, relative to the page. */
export function address(wanted) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) {
    if (Array.isArray(value)) {
      for (const each of value) query.append(name === "tags" ? "tag" : name, each);
    } else if (value !== EMPTY[name]) {
      query.set(name, value ?? "auto");
    }
  }
  const text = query.toString().replace(/%(3A|2C|7E)/g, decodeURIComponent); // : , ~
  return text ? `?${text}` : location.pathname;
}

/** The state after a change, to be linked to. */
export const changed = (patch) => ({ ...now, ...patch });

/** Change the state; `replace` keeps no step to go back to. */
export function change(patch, { replace = false } = {}) {
  const next = changed(patch);
  const where = address(next);
  if (where === address(now)) return;
  const before = now;
  now = next;
  if (replace) history.replaceState(history.state, "", where);
  else history.pushState({ opened: Boolean(patch.image) }, "", where);
  tell(before);
}

/** Close the picture shown large: a step back where opening it was a step of its own. */
export function closeImage() {
  if (!now.image) return;
  if (history.state?.opened) history.back();
  else change({ image: "" }, { replace: true });
}

/** Close first, so that the step back of closing does not undo what is done next. */
export function closeImageThen(next) {
  if (history.state?.opened) addEventListener("popstate", () => setTimeout(next), { once: true });
  const stepsBack = history.state?.opened;
  closeImage();
  if (!stepsBack) next();
}

/** Be told of every change, with the state before. */
export const subscribe = (listener) => listeners.add(listener);

export function start() {
  now = read(location.search);
  addEventListener("popstate", () => {
    const before = now;
    now = read(location.search);
    tell(before);
  });
  tell(EMPTY);
}

function tell(before) {
  for (const listener of listeners) listener(now, before);
}

// What one may ask for: the words of the page's actions.

const add = (list, key) => (list.includes(key) ? list : [...list, key]);
const drop = (list, key) => list.filter((each) => each !== key);

export const searchFrom = (key) => ({ like: [key], unlike: [], view: "grid", image: "" });
export const addLike = (key) => ({ like: add(now.like, key), unlike: drop(now.unlike, key) });
export const addUnlike = (key) => ({ unlike: add(now.unlike, key), like: drop(now.like, key) });
/** A text to be like, or unlike; in place of an example, where it was edited from one. */
export function searchWords(key, without, before = "") {
  const [to, from] = without ? ["unlike", "like"] : ["like", "unlike"];
  const at = now[to].includes(before) ? now[to].indexOf(before) : now[to].length;
  const kept = (list) => drop(drop(list, key), before);
  return { [to]: kept(now[to]).toSpliced(at, 0, key), [from]: kept(now[from]), view: "grid" };
}
/** An example in the place of another. */
export function replaceExample(before, key) {
  const put = (list) => (list.includes(before) ? [...new Set(list.map((each) => (each === before ? key : each)))] : drop(list, key));
  return { like: put(now.like), unlike: put(now.unlike) };
}
/** A drawing in the place of what it was before, used as that was, or else as a further example; "" takes it away. */
export function putDrawing(before, image) {
  const use = (key) => ({ sketch: isSketch(key), part: partOf(key) });
  const put = (list) => list.flatMap((key) => (imageOf(key) !== before ? [key] : image ? [keyOf(image, use(key))] : []));
  const like = put(now.like), unlike = put(now.unlike);
  const there = [...like, ...unlike].some((key) => imageOf(key) === image);
  return { like: there || !image ? like : [...like, keyOf(image, { sketch: true })], unlike, view: "grid" };
}
export const removeExample = (key) => ({ like: drop(now.like, key), unlike: drop(now.unlike, key) });
export const setSlot = (slot, key) => ({ [slot]: imageOf(key), via: drop(now.via, imageOf(key)), out: [] });
export const clearSearch = () => ({ like: [], unlike: [], tags: [], rating: "", min: null, different: 0, copies: "" });
export const leaveOut = (id) => ({ out: add(now.out, id), via: drop(now.via, id) });
export const goThrough = (key, at = now.via.length) => {
  const image = imageOf(key);
  return { via: drop(now.via, image).toSpliced(at, 0, image), out: drop(now.out, image) };
};
export const notThrough = (key) => ({ via: drop(now.via, key) });

/** A tag asked for, or left out ("-name"): in place of its opposite; asked for again, it is dropped. */
export function toggleTag(tag) {
  const { name, without } = parseTag(tag);
  const opposite = writeTag(name, !without);
  const others = drop(drop(now.tags, opposite), tag);
  return { tags: now.tags.includes(tag) ? others : [...others, tag] };
}

/** Whether something is asked for, other than the collection in its own order. */
export const searching = (wanted) => wanted.like.length + wanted.unlike.length + wanted.tags.length > 0;
