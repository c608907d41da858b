// Timed practice: pictures one after another, each for so long, to be drawn; and what was drawn before.

import * as api from "./api.js";
import { title } from "./actions.js";
import { countdown } from "./countdown.js";
import { get, h } from "./dom.js";
import * as drawnlog from "./drawnlog.js";
import * as grid from "./grid.js";
import { icon } from "./icons.js";
import { drawLines, following, numberOf } from "./lines.js";
import * as morph from "./morph.js";
import { announce, notify } from "./notice.js";
import { imageOf, known, large, remember, thumbnail, uploaded } from "./reference.js";
import { selected } from "./selection.js";
import { TEXT, count, say } from "./strings.js";

const SECONDS = [30, 45, 60, 120, 300, 600], USUAL_SECONDS = 60;
const NUMBERS = [5, 10, 20, 50, Infinity], USUAL_NUMBER = 10;
const LEAST = 5; // seconds of a picture that count as drawing it
const LISTED = 20; // entries of the log that are shown
const dialog = get("timed"), image = get("timed-image");
const SOURCES = {
  selection: () => [...selected()],
  morph: () => morph.way(),
  results: () => grid.keys(),
};
const texts = TEXT.timed;
let round = null; // {keys, at, seconds, began, spent: Map of seconds by key}
let paused = false, lines = "", lock = null;

const clock = countdown((left, gone) => {
  if (!round) return;
  const key = round.keys[round.at], rest = Math.ceil(left - 0.05); // a moment more is no second
  round.spent.set(key, (round.spent.get(key) ?? 0) + gone);
  get("timed-left").textContent = `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`;
  get("timed-bar").value = left / round.seconds;
}, () => go(1));

/** Show one of the three parts: the plan, a picture, or what was drawn. */
function turnTo(part) {
  for (const each of ["plan", "stage", "done"]) get(`timed-${each}`).hidden = each !== part;
  dialog.classList.toggle("running", part === "stage");
}

/** Ask what to draw, and for how long; `from` is where the pictures come from, if there are any. */
export function open(from = "") {
  const found = Object.entries(SOURCES).map(([name, keys]) => [name, pictures(keys()).length]).filter(([, number]) => number);
  if (!found.length) {
    notify(texts.nothing);
    return;
  }
  const chosen = found.some(([name]) => name === from) ? from : found[0][0];
  get("timed-from").replaceChildren(...found.map(([name, number]) => h("label", {},
    h("input", { type: "radio", name: "timed-from", value: name, checked: name === chosen }), count(texts.from[name], number))));
  drawLog();
  turnTo("plan");
  if (!dialog.open) dialog.showModal();
  get("timed-start").focus();
}
const pictures = (keys) => [...new Set(keys.map(imageOf))].filter((key) => !uploaded(key));

function planned(event) {
  event.preventDefault();
  const from = get("timed-from").querySelector("input:checked").value;
  const keys = pictures(SOURCES[from]());
  begin(get("timed-shuffled").checked ? shuffled(keys) : keys, Number(get("timed-number").value));
}
const shuffled = (keys) => keys.map((key) => [Math.random(), key]).sort(([one], [other]) => one - other).map(([, key]) => key);

function begin(keys, number = Infinity) {
  round = { keys: keys.slice(0, number), at: 0, seconds: Number(get("timed-seconds").value), began: Date.now(), spent: new Map() };
  setPaused(false);
  turnTo("stage");
  get("timed-stage").focus();
  navigator.wakeLock?.request("screen").then((got) => { lock = got; }, () => {}); // a screen that goes dark is all that is lost
  showPicture();
}

function showPicture() {
  const { keys, at } = round, key = keys[at];
  clock.set(round.seconds);
  get("timed-at").textContent = say(texts.at, at + 1, keys.length);
  get("timed-back").disabled = at === 0;
  get("timed-stage").classList.add("loading");
  drawLines(get("timed-lines"), "", 0, 0);
  image.src = large(key);
  tellName(key);
  if (at + 1 < keys.length) new Image().src = large(keys[at + 1]);
}
async function tellName(key) {
  if (!known(key).path) remember(key, await api.image(key).catch(() => ({})));
  if (round?.keys[round.at] !== key) return;
  image.alt = title(key);
  announce(`${get("timed-at").textContent}: ${title(key)}`);
}

/** The time of a picture begins when it can be seen. */
function arrived() {
  get("timed-stage").classList.remove("loading");
  place();
  if (round && !paused) clock.run();
}
/** Lay the sheet of lines over the picture, wherever it is shown. */
function place() {
  const { offsetWidth: width, offsetHeight: height, naturalWidth, naturalHeight } = image;
  if (!naturalWidth || !width) return;
  const scale = Math.min(width / naturalWidth, height / naturalHeight);
  Object.assign(get("timed-lines").style, { width: `${naturalWidth * scale}px`, height: `${naturalHeight * scale}px` });
  drawLines(get("timed-lines"), lines, naturalWidth, naturalHeight);
}
function failed() {
  if (!round) return;
  notify(say(texts.missing, title(round.keys[round.at])), "error");
  go(1);
}

function go(by) {
  clock.stop();
  const at = round.at + by;
  keep();
  if (at < 0) return;
  if (at >= round.keys.length) {
    finish();
    return;
  }
  round.at = at;
  showPicture();
}

/** Write down what has been drawn so far. */
function keep() {
  const drawn = [...round.spent].filter(([, seconds]) => seconds >= LEAST).map(([key, seconds]) => ({ key, seconds: Math.round(seconds) }));
  const entry = { at: round.began, pictures: drawn };
  if (drawn.length) drawnlog.write(entry);
  return entry;
}

function setPaused(on) {
  paused = on;
  get("timed-pause").replaceChildren(icon(on ? "play" : "pause"));
  get("timed-pause").setAttribute("aria-label", on ? texts.resume : texts.pause);
  get("timed-pause").title = on ? texts.resume : texts.pause;
  dialog.classList.toggle("paused", on);
}
function pause() {
  setPaused(!paused);
  if (paused) clock.stop();
  else if (!get("timed-stage").classList.contains("loading")) clock.run();
  announce(paused ? texts.paused : texts.going);
}

function press(button, on, said) {
  get(button).setAttribute("aria-pressed", String(on));
  announce(said);
}
const flip = () => {
  const on = get("timed-picture").classList.toggle("flipped");
  press("timed-flip", on, TEXT.practice.flipped[Number(on)]);
};
const grey = () => {
  const on = get("timed-picture").classList.toggle("greyed");
  press("timed-grey", on, TEXT.practice.greyed[Number(on)]);
};
const turnLines = () => {
  lines = following(lines);
  place();
  press("timed-grid", Boolean(lines), TEXT.practice.lined[numberOf(lines)]);
};
/** The part within the dialog: a dialog itself cannot fill the screen. */
const full = () => (document.fullscreenElement ? document.exitFullscreen() : get("timed-stage").requestFullscreen()).catch(() => notify(texts.notFull));

function finish() {
  clock.stop();
  const entry = keep();
  leave();
  get("timed-sum").textContent = sum(entry);
  get("timed-drawn").replaceChildren(...entry.pictures.map(({ key, seconds }) => h("li", {},
    h("img", { src: thumbnail(key, 160), alt: title(key), loading: "lazy" }), h("span", {}, lasting(seconds)))));
  turnTo("done");
  get("timed-again").focus();
  announce(`${TEXT.timedDone}. ${get("timed-sum").textContent}`);
}
function leave() {
  round = null;
  lock?.release();
  lock = null;
  if (document.fullscreenElement) document.exitFullscreen();
}

const lasting = (seconds) => (seconds < 60 ? say(texts.seconds, Math.round(seconds)) : say(texts.minutes, (seconds / 60).toLocaleString(undefined, { maximumFractionDigits: 1 })));
const sum = (entry) => `${count(texts.pictures, entry.pictures.length)} · ${lasting(drawnlog.secondsOf(entry))}`;

function drawLog() {
  const entries = drawnlog.read();
  get("timed-none").hidden = entries.length > 0;
  get("timed-forget").hidden = !entries.length;
  get("timed-log").replaceChildren(...entries.slice(0, LISTED).map((entry) => {
    const when = new Date(entry.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const again = h("button", { type: "button", class: "link", "aria-label": say(texts.againOf, when) }, texts.again);
    again.addEventListener("click", () => begin(entry.pictures.map(({ key }) => key)));
    return h("li", {}, h("span", {}, when), h("span", { class: "quiet" }, sum(entry)), again);
  }));
}

const KEYS = {
  " ": pause, p: pause, ArrowLeft: () => go(-1), ArrowRight: () => go(1), f: flip, g: grey, o: turnLines, v: full,
};
function pressed(event) {
  const way = round && KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!way || event.ctrlKey || event.metaKey || event.altKey || (event.key === " " && event.target.matches("button"))) return;
  event.preventDefault();
  way();
}

const choices = (list, usual, said) => list.map((value) => h("option", { value: String(value), selected: value === usual }, said(value)));

export function start() {
  get("timed-seconds").replaceChildren(...choices(SECONDS, USUAL_SECONDS, lasting));
  get("timed-number").replaceChildren(...choices(NUMBERS, USUAL_NUMBER, (number) => (number === Infinity ? texts.all : number.toLocaleString())));
  get("timed-plan").addEventListener("submit", planned);
  for (const [button, way] of Object.entries({
    button: () => open(), "morph": () => open("morph"), close: () => dialog.close(), leave: () => dialog.close(), again: () => open(),
    back: () => go(-1), pause, skip: () => go(1), flip, grey, grid: turnLines, full, end: finish,
    forget: () => { drawnlog.forget(); drawLog(); get("timed-start").focus(); },
  })) get(`timed-${button}`).addEventListener("click", way);
  image.addEventListener("load", arrived);
  image.addEventListener("error", failed);
  new ResizeObserver(place).observe(get("timed-picture"));
  dialog.addEventListener("keydown", pressed);
  dialog.addEventListener("cancel", (event) => {
    if (!round) return;
    event.preventDefault();
    finish();
  });
  dialog.addEventListener("close", () => {
    if (!round) return;
    clock.stop();
    keep();
    leave();
  });
}
