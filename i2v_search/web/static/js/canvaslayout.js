// The pictures of a board on its canvas: learned from the server, changed, undone, and kept there picture by picture.

import * as api from "./api.js";
import { whenBack } from "./back.js";
import { tried } from "./boardlist.js";
import { notify } from "./notice.js";
import { remember } from "./reference.js";

const AT_ONCE = 300; // places in a request
const PAUSE = 300, TOGETHER = 900; // milliseconds before changes are sent; within which like changes are one step of undo
const PLACE = ["x", "y", "scale", "rotation", "depth", "group"];
let board = null, pictures = [], index = new Map(), listener = () => {};
let past = [], future = [], loaded = false, timer = 0, wanted = null, sending = Promise.resolve();
const unsent = new Map(); // key -> place

export const all = () => pictures;
export const number = () => board;
/** Whether it is known what is on the board. */
export const isLoaded = () => loaded;
export const find = (key) => index.get(key);
/** Be told when pictures lie elsewhere. */
export const whenLaid = (told) => { listener = told; };
export const canUndo = () => past.length > 0;
export const canRedo = () => future.length > 0;

const placeOf = (picture) => Object.fromEntries(PLACE.map((name) => [name, picture[name]]));
/** Where pictures lie now, to be told to `keep` after they were changed. */
export const places = (some) => new Map(some.map((picture) => [picture.key, placeOf(picture)]));
const byDepth = () => pictures.sort((one, two) => one.depth - two.depth || one.order - two.order);

/** Show a board as the server has it; what was not sent yet stays. */
export async function load(of, arranged = false) {
  wanted = of;
  if (of !== board) {
    await send();
    if (wanted !== of) return undefined;
    unsent.clear(); // of the board before, where the server did not answer
    [board, pictures, index, past, future, loaded] = [of, [], new Map(), [], [], false];
  }
  if (of === null) return listener();
  const found = await tried(() => api.layout(of, arranged));
  if (!found || of !== board) return undefined;
  pictures = found.map(({ id, path, version, width, height, ...place }, order) => {
    const key = String(id);
    remember(key, { path, version, width, height });
    return { key, order, width, height, ...place, ...unsent.get(key) };
  });
  loaded = true;
  index = new Map(pictures.map((picture) => [picture.key, picture]));
  byDepth();
  return listener();
}

/** Keep a change of pictures that lay at `before`; like changes of the same pictures soon after one another are one step. */
export function keep(before, kind = "") {
  const changed = new Map([...before].filter(([key, place]) => find(key) && PLACE.some((name) => find(key)[name] !== place[name])));
  if (!changed.size) return;
  const last = past.at(-1), now = performance.now(), keys = [...changed.keys()].join();
  const joins = kind && last?.kind === kind && last.keys === keys && now - last.at < TOGETHER;
  const after = places([...changed.keys()].map(find));
  if (joins) Object.assign(last, { after, at: now });
  else past.push({ kind, keys, at: now, before: changed, after });
  future = [];
  sendSoon(after);
}
/** Keep a step that is undone and done again by functions, as taking a picture off is. */
export function keepStep(undo, redo) {
  past.push({ undo, redo });
  future = [];
  listener();
}

async function travel(from, to, way, which) {
  const step = from.pop();
  if (!step) return;
  to.push(step);
  if (step[way]) return void await step[way]();
  for (const [key, place] of step[which]) if (find(key)) Object.assign(find(key), place);
  step.kind = ""; // nothing joins it
  sendSoon(step[which]);
}
export const undo = () => travel(past, future, "undo", "before");
export const redo = () => travel(future, past, "redo", "after");

function sendSoon(changed) {
  for (const [key, place] of changed) unsent.set(key, place);
  byDepth();
  listener();
  clearTimeout(timer);
  timer = setTimeout(send, PAUSE);
}

/** Send what was changed. */
export const send = () => (sending = sending.then(() => sendNow(false)));
/** The same at once, as the page may be closed before the answer is there. */
export const sendLeaving = () => sendNow(true);

async function sendNow(leaving) {
  clearTimeout(timer);
  const of = board, list = [...unsent];
  for (let at = 0; at < list.length; at += AT_ONCE) {
    const some = list.slice(at, at + AT_ONCE);
    let refused = false;
    try {
      await api.lay(of, some, leaving);
    } catch (failure) {
      if (!(failure instanceof api.ApiError)) throw failure;
      notify(failure.message, "error");
      if (api.passing(failure)) return whenBack(send);
      refused = true;
    }
    for (const [key, place] of some) if (unsent.get(key) === place) unsent.delete(key);
    if (refused && of === board) await load(of); // as the server has it
  }
  return undefined;
}
/** Whether the server keeps everything. */
export const isSent = () => !unsent.size;
