// The HTTP API: one function a question. Answers are JSON; a refusal is thrown as an `ApiError`.

import { TEXT, say } from "./strings.js";
import { remember, toKey, toReference } from "./reference.js";

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

/** What the state asks of a search. */
function searchBody(state) {
  const body = {
    examples: [
      ...state.like.map((key) => ({ ...toReference(key), weight: 1 })),
      ...state.unlike.map((key) => ({ ...toReference(key), weight: -0.5 })),
    ],
    tags: state.tags,
    rating: state.rating || null,
  };
  if (state.min !== null && body.examples.length + state.tags.length) body.min_score = state.min;
  if (state.different && body.examples.length) body.diverse = 1 - state.different / 10;
  if (state.copies && (body.examples.length || state.tags.length)) body.copies = true;
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

export const collection = () => json("collection");
export async function search(state, { top, offset, signal }) {
  const answer = await json("search", post({ ...searchBody(state), top, offset }, signal));
  return { ...answer, hits: answer.hits.map(noted) };
}
export const alike = (key, top, signal) =>
  search({ like: [key], unlike: [], tags: [], rating: "", min: null, different: 0, copies: "" }, { top, offset: 0, signal });
export async function image(key, signal) {
  return noted(await json(`images/${key}`, { signal }));
}
export const tagsLike = (prefix, limit, signal) =>
  json(`tags?${new URLSearchParams({ prefix, limit })}`, { signal });
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
export const upload = (file, signal) =>
  json("uploads", {
    method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file, signal,
  });
/** Ask for a picture, by its address, to learn why it did not come. */
export const picture = (address) => ask(address.replace("api/v1/", ""));
/** Whether asking again for the same may help. */
export const passing = (failure) => failure.status < 400 || failure.status >= 500 || [401, 408, 429].includes(failure.status);
/** Keys of the images with the tags and the rating of the state; null where it asks for none. */
export async function mapMatches({ tags, rating }, signal) {
  if (!tags.length && !rating) return null;
  const { ids } = await json("map/matches", post({ tags, rating: rating || null }, signal));
  return new Set(ids.map(String));
}
/** The map, or how many seconds until it is worth asking again. */
export async function map() {
  const response = await ask("map");
  if (response.status === 202) return { wait: Number(response.headers.get("Retry-After")) || 1 };
  return content(response, "json");
}
