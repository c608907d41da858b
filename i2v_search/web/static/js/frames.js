// The frames of an animation, or the pages of a document: played, paused, one by one.

import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { announce, notify } from "./notice.js";
import { frame } from "./reference.js";
import * as stage from "./stage.js";
import { TEXT, count, say } from "./strings.js";

const AHEAD = 8, KEPT = 24; // frames that are loaded before they are shown, and that stay
const bar = get("frames"), holder = get("frame"), scrub = get("frame-scrub");
let key = "", number = 0, times = [], at = 0, playing = false, run = 0;
const loaded = new Map(); // number -> image, the latest used last

function load(place) {
  const known = loaded.get(place);
  const picture = known ?? h("img", { alt: "", draggable: "false" });
  if (!known) picture.src = frame(key, place);
  loaded.delete(place);
  loaded.set(place, picture);
  if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
  return picture;
}

/** Show a frame as soon as it is there; whether it came. */
async function show(place, of = key) {
  at = place;
  tell();
  if (place === 0 && !playing) {
    holder.replaceChildren();
    stage.parts.pause(false);
    return true;
  }
  const picture = load(place);
  try {
    await picture.decode();
  } catch {
    if (of === key && place === at) failed(place);
    return false;
  }
  if (of !== key || place !== at) return false;
  stage.parts.pause(true);
  holder.replaceChildren(picture);
  return true;
}
function failed(place) {
  set(false);
  notify(say(TEXT.look.frameFailed, place + 1), "error");
}
function tell() {
  scrub.value = String(at);
  const text = say(TEXT.look.frameOf, at + 1, number);
  scrub.setAttribute("aria-valuetext", text);
  get("frame-at").textContent = text;
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
async function play() {
  const mine = (run += 1), of = key;
  while (playing && mine === run && of === key) {
    for (let ahead = 1; ahead <= Math.min(AHEAD, number - 1); ahead += 1) load((at + ahead) % number);
    await pause(times[at]);
    if (!playing || mine !== run || of !== key) return;
    if (!(await show((at + 1) % number))) return;
  }
}
function set(wanted) {
  playing = wanted && times.length > 0;
  name(get("frame-play"), playing ? TEXT.look.pauseFrames : TEXT.look.playFrames);
  get("frame-play").replaceChildren(icon(playing ? "pause" : "play"));
  if (playing) play();
}
export const toggle = () => set(!playing);
export function step(way) {
  set(false);
  show((at + way + number) % number);
  announce(get("frame-at").textContent);
}

/** What a key does with the frames, or undefined. */
export function keyed(event) {
  if (bar.hidden) return undefined;
  return { ",": () => step(-1), ".": () => step(1), p: times.length ? toggle : undefined }[event.key];
}

/** Take another picture; its frames are told by `details`, when they have come. */
export function clear() {
  set(false);
  key = "";
  loaded.clear();
  holder.replaceChildren();
  stage.parts.pause(false);
  bar.hidden = true;
}
export function describe(image, details) {
  if (details.shown < 2) return;
  Object.assign(scrub, { max: String(details.shown - 1), value: "0" });
  [key, number, times, at] = [image, details.shown, details.times, 0];
  get("frame-play").hidden = !times.length;
  get("frame-note").hidden = details.frames === details.shown;
  get("frame-note").textContent = count(TEXT.look.framesOf, details.frames);
  bar.hidden = false;
  tell();
}

export function start() {
  set(false);
  get("frame-play").addEventListener("click", toggle);
  get("frame-back").addEventListener("click", () => step(-1));
  get("frame-on").addEventListener("click", () => step(1));
  scrub.addEventListener("input", () => { set(false); show(Number(scrub.value)); });
}
