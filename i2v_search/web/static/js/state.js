// What is shown, as one plain object that the address holds: Back, bookmarks and shared links bring it back.

import { imageOf, isImage, isKey, keyOf, isSketch, partOf } from "./reference.js";
import { askable, parseTag, writeTag } from "./tagquery.js";

export const ORDERS = ["likeness", "varied", "collection", "name", "newest", "oldest", "largest", "smallest", "colour", "random", "board"];
export const SHAPES = ["wide", "tall", "square", "strip"];
export const EMPTY = Object.freeze({
  view: "grid", // or "map", or "canvas" of a board, or "copies"
  like: [], // keys of images and texts to be like
  unlike: [], // and unlike
  tags: [], // "smile", "-glasses"
  rating: "",
  min: null, // least score
  different: 0, // 0 (plain order) to 10 (as different from one another as can be)
  balance: 0, // -10 (by what pictures show alone) to 10 (by how they are drawn alone)
  copies: "", // "1" shows copies too
  order: "", // one of ORDERS; "" is the usual one for what is asked
  seed: 0, // of the order "random"
  folder: [], // paths of folders, in one of which a picture lies
  name: [], // words that the file's name has; "-word": has not
  shape: "", // one of SHAPES
  minside: null, // pixels of the longer side
  maxside: null,
  animated: "", // "1" only animations, "0" none
  after: "", // days, "2024-05-31", of the file's last change
  before: "",
  colour: "", // "#rrggbb"
  board: "", // name of the board that pictures are on
  starred: "", // "1": only favourites
  a: "", // ends of the morph
  b: "",
  via: [], // keys of its waypoints, in order
  steps: 6, // pictures between; null ("auto" in the address) lets the method choose
  out: [], // ids that may not be on the way
  group: "", // id of a picture whose copies are shown
  image: "", // shown large
  beside: "", // compared with it
});
const LISTS = ["like", "unlike", "via"];
const SEARCH = ["like", "unlike", "tags", "rating", "min", "different", "balance", "copies", "order", "seed", "folder", "name", "shape", "minside", "maxside", "animated", "after", "before", "colour", "board", "starred"];
const FILTERS = ["rating", "min", "different", "balance", "copies", "shape", "minside", "maxside", "animated", "after", "before", "colour", "board", "starred"];
const MOST_SIDE = 1_000_000, MOST_SEED = 2 ** 31 - 1, LONGEST_PATH = 1000, LONGEST_NAME = 100, LONGEST_BOARD = 200;
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
  const whole = (name, low, high) => (Number.isInteger(number(name, low, high)) ? number(name, low, high) : null);
  const texts = (name, longest) => given.getAll(name).filter((text) => text.trim() && text.length <= longest).slice(0, 32);
  const among = (name, values) => (values.includes(given.get(name)) ? given.get(name) : "");
  const day = (name) => (isDay(given.get(name) ?? "") ? given.get(name) : "");
  const one = (name) => (isKey(given.get(name) ?? "") ? given.get(name) : "");
  const picture = (name) => (isImage(given.get(name) ?? "") ? given.get(name) : "");
  return settled({
    ...EMPTY,
    ...Object.fromEntries(LISTS.map((name) => [name, keys(name)])),
    view: among("view", ["map", "canvas", "copies"]) || "grid",
    tags: given.getAll("tag").filter((tag) => parseTag(tag).name && askable(parseTag(tag).name)).slice(0, 32),
    rating: given.get("rating") ?? "",
    min: number("min", -1, 1),
    different: number("different", 0, 10) ?? 0,
    balance: number("balance", -10, 10) ?? 0,
    copies: given.get("copies") === "1" ? "1" : "",
    order: among("order", ORDERS),
    seed: whole("seed", 0, MOST_SEED) ?? 0,
    folder: texts("folder", LONGEST_PATH),
    name: texts("name", LONGEST_NAME),
    shape: among("shape", SHAPES),
    minside: whole("minside", 1, MOST_SIDE),
    maxside: whole("maxside", 1, MOST_SIDE),
    animated: among("animated", ["0", "1"]),
    after: day("after"),
    before: day("before"),
    colour: /^#[0-9a-f]{6}$/i.test(given.get("colour") ?? "") ? given.get("colour").toLowerCase() : "",
    board: texts("board", LONGEST_BOARD)[0] ?? "",
    starred: given.get("starred") === "1" ? "1" : "",
    a: one("a"),
    b: one("b"),
    steps: given.get("steps") === "auto" ? null : number("steps", 0, 60) ?? EMPTY.steps,
    out: keys("out").filter((key) => /^\d+$/.test(key)),
    group: /^\d{1,15}$/.test(given.get("group") ?? "") ? given.get("group") : "",
    image: picture("image"),
    beside: picture("image") && picture("beside"),
  });
}
/** Only a board has a canvas, and only the view of copies a group. */
const settled = (wanted) => ({
  ...wanted,
  ...(wanted.view === "canvas" && !wanted.board ? { view: "grid" } : {}),
  ...(wanted.view === "copies" ? {} : { group: "" }),
});

/** Whether a text is a day of the calendar, as "2024-05-31". */
export function isDay(text) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || text < "0001") return false;
  const moment = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(moment.valueOf()) && moment.toISOString().startsWith(text); // 30 February is 1 March
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
  const text = query.toString().replace(/%(3A|2C|2F|7E)/g, decodeURIComponent); // : , / ~
  return text ? `?${text}` : location.pathname;
}

/** The state after a change, to be linked to; beside no picture nothing is shown. */
export const changed = (patch) => settled({ ...now, ...patch, ...(patch.image === "" ? { beside: "" } : {}) });

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

/** Make several changes one: each is a function that gives its patch after those before it. */
export function changeAll(patches) {
  const before = now;
  for (const patch of patches) now = changed(patch());
  const together = now;
  now = before;
  change(together);
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

/** A search begins with what is most like it, whatever order the pictures before had. */
const begun = () => (ranked(now) ? {} : { order: "", seed: 0 });
export const searchFrom = (key) => ({ like: [key], unlike: [], order: "", seed: 0, view: "grid", image: "" });
export const addLike = (key) => ({ like: add(now.like, key), unlike: drop(now.unlike, key), ...begun() });
export const addUnlike = (key) => ({ unlike: add(now.unlike, key), like: drop(now.like, key), ...begun() });
/** A text to be like, or unlike; in place of an example, where it was edited from one. */
export function searchWords(key, without, before = "") {
  const [to, from] = without ? ["unlike", "like"] : ["like", "unlike"];
  const at = now[to].includes(before) ? now[to].indexOf(before) : now[to].length;
  const kept = (list) => drop(drop(list, key), before);
  return { [to]: kept(now[to]).toSpliced(at, 0, key), [from]: kept(now[from]), view: "grid", ...begun() };
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
  return { like: there || !image ? like : [...like, keyOf(image, { sketch: true })], unlike, view: "grid", ...begun() };
}
export const removeExample = (key) => ({ like: drop(now.like, key), unlike: drop(now.unlike, key) });
export const setSlot = (slot, key) => ({ [slot]: imageOf(key), via: drop(now.via, imageOf(key)), out: [] });
export const clearSearch = () => pick(EMPTY, SEARCH);
const pick = (from, names) => Object.fromEntries(names.map((name) => [name, from[name]]));
/** No filters but the tags, folders and names that stand in the search field. */
export const clearFilters = () => pick(EMPTY, FILTERS);
export const filtersSet = (wanted) => FILTERS.some((name) => wanted[name] !== EMPTY[name]);
/** The address of a search alone, and the search of such an address in place of the one now. */
export const searchQuery = (wanted) => address({ ...EMPTY, ...pick(wanted, SEARCH) });
export const searchWith = (query) => ({ ...pick(read(query), SEARCH), view: "grid", image: "" });
/** The pictures of a board in its order, and the favourites. */
export const boardOf = (name) => ({ ...clearSearch(), board: name, view: "grid", image: "" });
export const starredOnly = () => ({ ...clearSearch(), starred: "1", view: "grid", image: "" });
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

/** Only pictures of a folder too, and only those whose file's name has a word; or with "-" not of it, and without. */
export const addFolder = (path) => ({ folder: add(now.folder, path) });
export const addName = (word) => ({ name: add(now.name, word) });
export const removeFolder = (path) => ({ folder: drop(now.folder, path) });
export const removeName = (word) => ({ name: drop(now.name, word) });

/** The order that is usual for what is asked, and the one in force. */
export const usualOrder = (wanted) => {
  if (ranked(wanted)) return "likeness";
  if (wanted.board) return "board";
  if (wanted.colour) return "colour";
  return wanted.folder.length + wanted.name.length ? "name" : "varied";
};
export const orderOf = (wanted) => (canSort(wanted, wanted.order) ? wanted.order : "") || usualOrder(wanted);
/** Whether an order makes sense for what is asked. */
export const canSort = (wanted, order) => (order === "likeness" ? ranked(wanted) : order !== "board" || Boolean(wanted.board));
/** Another order; "random" is a new one each time. */
export const withOrder = (order) => ({
  order: order === usualOrder(now) ? "" : order,
  seed: order === "random" ? 1 + Math.floor(Math.random() * (MOST_SEED - 1)) : 0,
  different: order === "likeness" ? now.different : 0,
});

/** Whether something is asked for, by examples, words or tags. */
export const searching = (wanted) => wanted.like.length + wanted.unlike.length + wanted.tags.length > 0;
/** Whether that ranks pictures, as tags that are only left out do not. */
export const ranked = (wanted) => wanted.like.length + wanted.unlike.length > 0 || wanted.tags.some((tag) => !parseTag(tag).without);

const CONDITIONS = ["tags", "rating", "folder", "name", "shape", "minside", "maxside", "animated", "after", "before", "colour", "board", "starred"];
/** Whether pictures have to meet a condition, ranked or not. */
export const filtering = (wanted) => CONDITIONS.some((name) => String(wanted[name] ?? "") !== "");
