// The HTTP API: one function a question. Answers are JSON; a refusal is thrown as an `ApiError`.

import { TEXT, say } from "./strings.js";
import { launchHeaders } from "./launch.js";
import { hasDials, imageOf, remember, toKey, toReference } from "./reference.js";
import { EMPTY, filtering, orderOf, usualOrder } from "./state.js";

const TRIES = 3;
const LONGEST_WAIT = 15; // seconds
let onBusy = () => {};

export class ApiError extends Error {
  constructor(message, status, code = "") {
    super(message);
    this.status = status;
    this.code = code;
  }
}
/** Be told, in seconds, when a busy server asks to wait. */
export const whenBusy = (listener) => { onBusy = listener; };

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });

async function ask(path, options = {}, tries = TRIES) {
  let response;
  try {
    response = await fetch(`api/v1/${path}`, options);
  } catch (failure) {
    if (options.signal?.aborted) throw failure;
    throw new ApiError(TEXT.errors.offline, 0, "offline");
  }
  if (response.status === 429 || response.status === 503) {
    const wait = Math.max(1, Number(response.headers.get("Retry-After")) || 1);
    if (tries <= 1 || wait > LONGEST_WAIT) throw new ApiError(TEXT.errors.stillBusy, response.status, "busy");
    onBusy(wait);
    await pause(wait, options.signal);
    return ask(path, options, tries - 1);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  if (response.status === 401) return new ApiError(TEXT.errors.unauthorized, 401, "unauthorized");
  const body = await response.json().catch(() => ({}));
  const error = body.error ?? {};
  let message = error.message || say(TEXT.errors.unknown, response.status);
  if (response.status >= 500 && error.request_id) message = say(TEXT.errors.withRequest, message, error.request_id);
  return new ApiError(message, response.status, error.code ?? "");
}

/** What is in an answer, which may break off or be no JSON, as a proxy's page is not. */
async function content(response, kind, signal) {
  try {
    return await response[kind]();
  } catch (failure) {
    if (signal?.aborted) throw failure;
    throw new ApiError(TEXT.errors.incomplete, 0, "incomplete");
  }
}
const json = async (path, options) => content(await ask(path, options), "json", options?.signal);
const post = (body, signal) => ({
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
});

/** Whether a request failed because the server no longer keeps an upload. */
export const uploadGone = (failure) => failure.code === "upload_gone";

/** The conditions of the state; those that it does not set are left out. */
function conditions(state) {
  const { folder, name, shape, minside, maxside, animated, after, before, colour, board, starred } = state;
  return {
    tags: state.tags,
    rating: state.rating || null,
    ...(folder.length ? { paths: folder } : {}),
    ...(name.length ? { names: name } : {}),
    ...(shape ? { shape } : {}),
    ...(minside === null ? {} : { min_side: minside }),
    ...(maxside === null ? {} : { max_side: maxside }),
    ...(animated ? { animated: animated === "1" } : {}),
    ...(after ? { after } : {}),
    ...(before ? { before } : {}),
    ...(colour ? { colour } : {}),
    ...(board ? { board } : {}),
    ...(starred ? { starred: true } : {}),
  };
}
/** How much of a picture counts: what it shows, and how it is drawn. */
const dials = ({ balance }, key) =>
  balance && hasDials(key) ? { subject: 1 - Math.max(0, balance) / 10, style: 1 - Math.max(0, -balance) / 10 } : {};
/** What the state asks of a search. */
function searchBody(state) {
  const example = (weight) => (key) => ({ ...toReference(key), weight, ...dials(state, key) });
  const body = {
    examples: [...state.like.map(example(1)), ...state.unlike.map(example(-0.5))],
    ...conditions(state),
  };
  if (state.order || ["name", "colour"].includes(usualOrder(state))) body.order = orderOf(state); // else the server's own
  if (state.order === "random") body.seed = state.seed;
  if (state.min !== null && body.examples.length + state.tags.length) body.min_score = state.min;
  if (state.different && body.examples.length && orderOf(state) === "likeness") body.diverse = 1 - state.different / 10;
  if (state.copies) body.copies = true;
  return body;
}
function morphBody(state) {
  return {
    a: toReference(state.a), b: toReference(state.b), via: state.via.map(toReference),
    steps: state.steps, exclude: state.out.map(Number), rating: state.rating || null,
  };
}

/** What two states must agree in to have the same results. */
export const searchKey = (state) => JSON.stringify(searchBody(state));
export const morphKey = (state) => (state.a && state.b ? JSON.stringify(morphBody(state)) : "");

function noted(found) {
  const key = toKey(found);
  const { path, version, width, height } = found;
  if (!key.startsWith("u:")) remember(key, { path, version, ...(width ? { width, height } : {}) });
  return { ...found, key };
}

export const health = () => json("health");
export const collection = () => json("collection");
export async function search(state, { top, offset, signal }) {
  const answer = await json("search", post({ ...searchBody(state), top, offset }, signal));
  if (!Array.isArray(answer?.hits)) throw new ApiError(TEXT.errors.incomplete, 0, "incomplete");
  return { ...answer, hits: answer.hits.map(noted) };
}
export const alike = (key, top, signal) =>
  search({ ...EMPTY, like: [key] }, { top, offset: 0, signal });
export async function image(key, signal) {
  return noted(await json(`images/${key}`, { signal }));
}
export const details = (key, signal) => json(`images/${key}/details`, { signal });
export const tagsLike = (prefix, limit, signal) =>
  json(`tags?${new URLSearchParams({ prefix, limit })}`, { signal });
/** Folders and files that are called so. */
export const namesLike = (prefix, limit, signal) =>
  json(`names?${new URLSearchParams({ prefix, limit })}`, { signal });
/** All folders with pictures below them. */
export const folders = (signal) => json("folders", { signal });
export const tagsWith = (name, limit, signal) =>
  json(`tags/${encodeURIComponent(name)}/similar?limit=${limit}`, { signal });
export const tagCounts = (state, signal) => json("tags/counts", post(searchBody(state), signal));
export async function morph(state, signal) {
  const answer = await json("morph", post(morphBody(state), signal));
  return { ...answer, stops: answer.stops.map(noted) };
}
export async function morphPicture(state, format) {
  return content(await ask(`morph/picture?format=${format}`, post(morphBody(state))), "blob");
}
/** Browsers know no type of HEIC or KRA, and that of a PDF is none of an image; the server looks at the content. */
export const upload = (file, signal) =>
  json("uploads", {
    method: "POST", headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "image/x-unknown" }, body: file, signal,
  });
/** Give a selection a name: what is downloaded of it has an address by that. */
export const select = (keys) => json("selections", post({ ids: keys.map((key) => Number(imageOf(key))) }));
export const selectionAddress = (key, kind) => `api/v1/selections/${key}/${kind}`;
export const selectionPaths = async (key, whole) =>
  (await content(await ask(`selections/${key}/paths`, { headers: whole ? launchHeaders() : {} }), "text")).trimEnd();
/** Where the file of an image lies on this computer. */
export const place = (key) => json(`images/${imageOf(key)}/place`, { headers: launchHeaders() });
/** Show the file of an image in this computer's desktop, or open it there. */
export function desktop(key, action) {
  const sent = post({ action });
  return ask(`images/${imageOf(key)}/desktop`, { ...sent, headers: { ...sent.headers, ...launchHeaders() } });
}
// Boards, stars, notes and saved searches, which the server keeps. Boards go by number, pictures by key.
const numbers = (keys) => keys.map((key) => Number(imageOf(String(key))));
// A note is written when its field is left, which may be because the page is.
const patch = (body) => ({ ...post(body), method: "PATCH", keepalive: true });
export const boards = () => json("boards");
export const board = (id) => json(`boards/${id}`);
export const makeBoard = (name) => json("boards", post({ name }));
export const changeBoard = (id, change) => json(`boards/${id}`, patch(change));
export const deleteBoard = (id) => ask(`boards/${id}`, { method: "DELETE" });
export const restoreBoard = (id) => json(`boards/${id}/restore`, { method: "POST" });
/** Put pictures on a board, before another or, with null, at its end. */
export const putOnBoard = (id, keys, before = null) =>
  json(`boards/${id}/pictures`, post({ ids: numbers(keys), before: before === null ? null : numbers([before])[0] }));
export const takeOffBoard = (id, keys) => ask(`boards/${id}/removals`, post({ ids: numbers(keys) }));
/** Put the pictures of a board in order by "colour", or so that the sequence is "gradual". */
export const orderBoard = (id, by) => ask(`boards/${id}/order`, post({ by }));
/** Where the pictures of a board lie on its canvas; `arranged`: in rows, whatever places they have. */
export const layout = (id, arranged = false) => json(`boards/${id}/layout${arranged ? "?arranged=true" : ""}`);
/** Lay pictures elsewhere, as pairs of key and place; `leaving` when the page may be closed meanwhile. */
export const lay = (id, places, leaving) =>
  ask(`boards/${id}/layout`, { ...post({ places: places.map(([key, place]) => ({ id: Number(key), ...place })) }), keepalive: leaving });
/** Pictures that may belong on a board. */
export const suggestions = async (id) => (await json(`boards/${id}/suggestions`)).map(noted);
export const stars = () => json("notes/stars");
export const star = (keys, starred) => ask("notes/stars", post({ ids: numbers(keys), starred }));
export const notes = (key) => json(`notes/images/${imageOf(key)}`);
export const changeNotes = (key, change) => json(`notes/images/${imageOf(key)}`, patch(change));
export const savedSearches = () => json("saved-searches");
/** Save a search; `replace` one of the same name. */
export const saveSearch = (name, query, replace = true) => json("saved-searches", post({ name, query, replace }));
export const renameSearch = (name, wanted) => json("saved-searches/rename", post({ name, new: wanted }));
export const deleteSearch = (name) => json("saved-searches/delete", post({ name }));
/** Ask for a picture, by its address, to learn why it did not come. */
export const picture = (address) => ask(address.replace("api/v1/", ""));
/** Whether asking again for the same may help. */
export const passing = (failure) => failure.status < 400 || failure.status >= 500 || [401, 408, 429].includes(failure.status);
/** What two states must agree in to have the same pictures of the map. */
export const conditionsKey = (state) => JSON.stringify(conditions(state));
/** Keys of the images that meet the conditions of the state; null where it has none. */
export async function mapMatches(state, signal) {
  if (!filtering(state)) return null;
  const { ids } = await json("map/matches", post(conditions(state), signal));
  return new Set(ids.map(String));
}
/** The map, or how many seconds until it is worth asking again. */
export async function map() {
  const response = await ask("map");
  const answer = await content(response, "json");
  return response.status === 202 ? { ...answer, wait: Number(response.headers.get("Retry-After")) || 1 } : answer;
}
/** How far the sprite sheets of a map are, by its key. */
export const atlas = (key) => json(`map/atlas/${key}`);
/** A sheet, as the browser can decode it; `name` is its side and number. */
export const sheet = async (key, name) => content(await ask(`map/atlas/${key}/${name}`), "blob");

// Copies: groups of pictures that are the same one, the search for them, and the trash of this computer.
/** A page of the groups, by `top` and `offset`, or `of` a picture. */
export async function copies(asked) {
  const found = await json(`copies?${new URLSearchParams(asked)}`);
  return { ...found, groups: found.groups.map(({ members }) => ({ members: members.map((member) => ({ ...member, key: String(member.id) })) })) };
}
export const notCopies = (one, other, apart) => ask("notes/not-copies", post({ one: Number(one), other: Number(other), apart }));
export const copySearch = () => json("copies/search");
export const searchCopies = () => launchedPost("copies/search");
export const stopCopySearch = () => launchedPost("copies/search/stop");
/** Move the files of pictures to the trash; `last` also where no copy would be left. */
export const trash = (keys, last) => launchedPost("copies/trash", { ids: numbers(keys), last });
export const restoreTrashed = (key) => launchedPost("copies/restore", { key });

// Folders of this computer, and building: what acts on this computer has the launch token with it.
const launchedGet = (path, signal) => json(path, { headers: launchHeaders(), signal });
const launchedPost = async (path, body = {}, kind = "json", signal = undefined) => {
  const sent = post(body, signal);
  return content(await ask(path, { ...sent, headers: { ...sent.headers, ...launchHeaders() } }), kind, signal);
};
/** Where to begin to look for a folder, the folders in one, and how many pictures are in it and below. */
export const places = () => launchedGet("computer/places");
export const folder = (key) => launchedGet(`computer/folder?${new URLSearchParams({ key })}`);
export const picturesIn = (key, signal) => launchedGet(`computer/pictures?${new URLSearchParams({ key })}`, signal);
/** The build that runs, or the last one; start one of a folder ("" for those that are in), and stop it. */
export const building = () => json("build");
export const build = (folder, { fresh = false } = {}) => launchedPost("build", { folder: folder || null, new: fresh });
export const stopBuild = () => launchedPost("build/stop");
/** Keep the collection up to date with its folders, or no more. */
export const watch = (on) => launchedPost("watch", { on });
/** The collections that were opened before; open one, forget one; end the server. */
export const collections = () => launchedGet("collections");
export const openCollection = (key) => launchedPost("collections/open", { key }, "text");
export const forgetCollection = (key) => launchedPost("collections/forget", { key });
/** Search all collections; and the address of a thumbnail of one that was searched. */
export const searchAcross = async (state, signal) => {
  const { examples, copies = false } = searchBody(state);
  return launchedPost("collections/search", { examples, ...conditions(state), copies }, "json", signal);
};
export const thumbnailAcross = (collection, id, version) => `api/v1/collections/${collection}/images/${id}/thumbnail?size=320&v=${version}`;
export const quit = () => launchedPost("quit");
/** The address with which programs of this computer are connected, such as the browser extension. */
export const appAddress = async () => `${location.origin}/#token=${(await launchedGet("apps")).token}`;
