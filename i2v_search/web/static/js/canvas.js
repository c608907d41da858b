// The free canvas of a board: its pictures lie where one puts them. By mouse, fingers and keys; its tools and its view.

import { act, title } from "./actions.js";
import * as api from "./api.js";
import { bitmaps } from "./bitmaps.js";
import { load as loadBoards, shown, take, tried, whenChanged } from "./boardlist.js";
import { camera } from "./camera.js";
import { hand } from "./canvashand.js";
import { boxOf, meet, transformed } from "./canvasgeometry.js";
import * as layout from "./canvaslayout.js";
import { scene } from "./canvasscene.js";
import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { announce, notify } from "./notice.js";
import { save } from "./saving.js";
import { replace, selected, whenSelected } from "./selection.js";
import { state, subscribe } from "./state.js";
import { TEXT, count, say } from "./strings.js";

const STEP = 10, FINE = 1, GROWTH = 1.1, TURN = 15, NEAREST = 8; // pixels of an arrow key, with Shift; a key's steps; screen pixels a pixel
const view = get("canvas-view"), canvas = get("canvas");
let focused = "", spread = false, several = false, drawn = false, stale = false;

const here = () => state().view === "canvas";
const chosen = () => layout.all().filter(({ key }) => selected().has(key));
/** The pictures of a picture's group. */
const unit = (picture) => (picture.group === null ? [picture] : layout.all().filter(({ group }) => group === picture.group));
const keysOf = (pictures) => pictures.map(({ key }) => key);
const choice = {
  get: chosen,
  only: (keys) => { [focused] = [keys.at(-1) ?? ""]; replace(keys); },
  add: (keys) => choice.only([...selected(), ...keys]),
  toggle: (keys) => {
    const on = !keys.every((key) => selected().has(key)), others = [...selected()].filter((key) => !keys.includes(key));
    replace(on ? [...others, ...keys] : others);
    focused = keys.at(-1);
  },
};
const eye = camera(canvas, {
  least: 1e-6, seen: redraw,
  draws: (event) => !spread && grip.begin(eye.point(event), event),
  drawn: (point, cancelled, event) => { if (point) grip.move(point, event); else { grip.end(cancelled); reload(); } },
  pressed: (point, event) => { canvas.focus({ preventScroll: true }); grip.press(point, event); },
  pointed: (point) => { canvas.style.cursor = spread ? "grab" : grip.cursor(point); },
});
const grip = hand(canvas, eye, { layout, choice, unit, several: () => several, changed: redraw });
const shelf = bitmaps(redraw), paint = scene(canvas, shelf);

const colour = (property) => getComputedStyle(document.documentElement).getPropertyValue(property);
function redraw() {
  if (drawn || !here()) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    if (!here() || !canvas.clientWidth) return;
    const seen = paint({
      pictures: layout.all(), chosen: chosen(), focused: layout.find(focused), toScreen: eye.toScreen, toMap: eye.toMap, zoom: eye.view.zoom,
      width: canvas.clientWidth, height: canvas.clientHeight, ratio: Math.min(devicePixelRatio || 1, 2),
      colours: { accent: colour("--accent"), line: colour("--line"), ink: colour("--ink"), handle: "#fff" }, ...grip.marks(),
    });
    canvas.dataset.waiting = layout.isLoaded() ? String(seen.filter(({ key }) => shelf.get(key) === undefined).length) : "";
  });
}

/** Somebody else may have moved pictures: learn again where they lie, but not of those in the hand. */
function look() {
  stale = true;
  return reload();
}
async function reload() {
  if (!stale || grip.isBusy()) return;
  stale = false;
  await show();
}
async function show() {
  const board = here() ? shown() : null, fresh = board && board.id !== layout.number();
  if (!board) return;
  await layout.load(board.id);
  if (fresh && layout.number() === board.id) {
    focused = "";
    fitAll();
  }
}
const nearest = () => NEAREST / layout.all().reduce((least, { scale }) => Math.min(least, scale), 1);
const space = () => boxOf(layout.all()) ?? { left: -500, top: -300, right: 500, bottom: 300 };
const fitAll = () => eye.cover(space(), nearest());

/** Change pictures, as `edit` gives the patch of each; changes of one kind soon after one another are one step of undo. */
function change(pictures, edit, kind = "") {
  if (!pictures.length) return announce(TEXT.canvas.noneChosen);
  const before = layout.places(pictures);
  for (const picture of pictures) Object.assign(picture, edit(picture));
  return layout.keep(before, kind);
}
const middle = (pictures) => { const { left, top, right, bottom } = boxOf(pictures); return [(left + right) / 2, (top + bottom) / 2]; };
function transform(how, kind) {
  const all = chosen(), about = all.length ? middle(all) : null;
  change(all, (each) => transformed(each, { about, ...how }), kind);
}
const grow = (factor) => transform({ factor }, "grow"), turn = (degrees) => transform({ degrees }, "turn");
function nudge(dx, dy) {
  if (chosen().length) return change(chosen(), (each) => transformed({ ...each, x: each.x + dx, y: each.y + dy }, { about: [0, 0] }), "move");
  Object.assign(eye.view, { x: eye.view.x + 6 * dx, y: eye.view.y + 6 * dy });
  return redraw();
}
function group(together) {
  const number = together ? crypto.getRandomValues(new Uint32Array(1))[0] : null, all = chosen();
  if (all.length > 1) change(all, () => ({ group: number }));
  announce(together ? count(TEXT.canvas.grouped, all.length) : TEXT.canvas.ungrouped);
}
/** In front of all others, or behind them: 1, -1. */
function toEnd(way) {
  const all = chosen(), others = layout.all().filter((each) => !all.includes(each)), edge = others.at(way > 0 ? -1 : 0);
  if (!edge) return;
  change(all, (each) => ({ depth: edge.depth + way * (way > 0 ? all.indexOf(each) + 1 : all.length - all.indexOf(each)) }));
}
/** In front of the next picture that covers them, or behind the next that they cover. */
function pass(way) {
  const all = chosen(), box = boxOf(all);
  if (!box) return;
  const list = way > 0 ? layout.all() : layout.all().toReversed(), last = Math.max(...all.map((each) => list.indexOf(each)));
  const at = list.findIndex((each, n) => n > last && !all.includes(each) && meet(boxOf([each]), box));
  if (at < 0) return;
  const passed = list[at].depth, beyond = list.slice(at + 1).find((each) => !all.includes(each))?.depth ?? passed + way;
  const order = way > 0 ? all : all.toReversed();
  change(all, (each) => ({ depth: passed + ((beyond - passed) * (order.indexOf(each) + 1)) / (all.length + 1) }));
}
async function arrange() {
  const found = await tried(() => api.layout(layout.number(), true));
  if (!found) return;
  const places = new Map(found.map((place) => [String(place.id), place]));
  change(layout.all().filter(({ key }) => places.has(key)), ({ key }) => {
    const { x, y, scale, rotation, depth } = places.get(key);
    return { x, y, scale, rotation, depth };
  });
  fitAll();
}
const takeOff = () => tried(async () => {
  const keys = keysOf(chosen()), board = shown();
  if (!keys.length) return;
  const { ids } = await api.board(board.id);
  const off = () => take(board, keys), back = () => tried(async () => { await api.putOnBoard(board.id, ids); await loadBoards(board.id); });
  choice.only([]);
  await off();
  layout.keepStep(back, off);
});

/** Choose the next picture of the board, or the one before; besides those that are chosen. */
function walk(by, besides) {
  const order = layout.all().toSorted((one, two) => one.order - two.order), at = order.findIndex(({ key }) => key === focused);
  if (!order.length) return;
  const next = order.at((at < 0 ? (by > 0 ? 0 : -1) : at + by) % order.length);
  choice[besides ? "add" : "only"](keysOf(unit(next)));
  focused = next.key;
  const [x, y] = eye.toScreen(next.x, next.y);
  if (x < 0 || y < 0 || x > canvas.clientWidth || y > canvas.clientHeight) eye.reveal(next.x, next.y);
  announce(say(TEXT.canvas.chosen, title(next.key), next.order + 1, order.length));
}
function fullScreen() {
  if (document.fullscreenElement) return document.exitFullscreen();
  return view.requestFullscreen?.().catch(() => notify(TEXT.timed.notFull)) ?? notify(TEXT.timed.notFull);
}
function setSeveral(on) {
  several = on;
  get("canvas-several").setAttribute("aria-pressed", String(on));
}

const zoomBy = (factor) => () => eye.zoomAt(factor);
const KEYS = {
  n: () => walk(1, false), N: () => walk(-1, false), e: () => walk(1, true), E: () => walk(-1, true),
  s: () => focused && layout.find(focused) && choice.toggle(keysOf(unit(layout.find(focused)))),
  "[": () => grow(1 / GROWTH), "]": () => grow(GROWTH), r: () => turn(TURN), R: () => turn(-TURN),
  g: () => group(true), G: () => group(false),
  PageUp: () => pass(1), PageDown: () => pass(-1), Home: () => toEnd(1), End: () => toEnd(-1),
  "+": zoomBy(1.5), "=": zoomBy(1.5), "-": zoomBy(1 / 1.5), "−": zoomBy(1 / 1.5), 0: fitAll,
  l: arrange, v: fullScreen, x: () => setSeveral(!several), Delete: takeOff, Backspace: takeOff,
  Enter: () => focused && act("show", focused), i: () => focused && act("show", focused),
};
const COMMANDS = { z: layout.undo, y: layout.redo, Z: layout.redo, a: () => choice.only(keysOf(layout.all())) };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function pressed(event) {
  if (event.altKey || (event.target !== canvas && ["Enter", " "].includes(event.key))) return; // which press a button
  const arrow = ARROWS[event.key], command = event.ctrlKey || event.metaKey;
  const step = (event.shiftKey ? FINE : STEP) / eye.view.zoom;
  const does = command ? COMMANDS[event.key] : arrow ? () => nudge(arrow[0] * step, arrow[1] * step)
    : event.key === " " ? () => { spread = true; canvas.style.cursor = "grab"; }
    : event.key === "Escape" && chosen().length ? () => choice.only([]) : KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  event.stopPropagation();
  does();
}

const TOOLS = [
  ["undo", "undo", layout.undo], ["redo", "redo", layout.redo], null,
  ["several", "check", () => setSeveral(!several)], ["group", "group", () => group(true)], ["ungroup", "ungroup", () => group(false)],
  ["front", "front", () => toEnd(1)], ["behind", "behind", () => toEnd(-1)], ["off", "bin", takeOff], null,
  ["arrange", "grid", arrange], ["out", "minus", zoomBy(1 / 1.5)], ["in", "plus", zoomBy(1.5)], ["fit", "fit", fitAll], ["full", "full", fullScreen], null,
  ["png", "download", () => { notify(say(TEXT.preparing, TEXT.png)); save(`api/v1/boards/${layout.number()}/png`); }],
];

function dress() {
  const some = chosen(), none = !layout.all().length;
  const off = {
    undo: !layout.canUndo(), redo: !layout.canRedo(), group: some.length < 2, ungroup: !some.some((each) => each.group !== null),
    front: !some.length, behind: !some.length, off: !some.length, arrange: none, png: none, several: none,
  };
  for (const [id, disabled] of Object.entries(off)) get(`canvas-${id}`).disabled = disabled;
  get("canvas-empty").hidden = !none || !layout.isLoaded();
  get("canvas-name").textContent = state().board;
  canvas.setAttribute("aria-label", say(TEXT.canvas.of, shown()?.name ?? "", layout.all().length.toLocaleString()));
}
function laid() {
  if (layout.all().length) eye.enclose(space(), nearest());
  dress();
  redraw();
}

/** How many pixels of the screen a unit of the canvas has, and where the middle of a picture is on it. */
export const zoom = () => eye.view.zoom;
export const onScreen = (key) => eye.toScreen(layout.find(key).x, layout.find(key).y);

export function start() {
  get("canvas-tools").replaceChildren(...TOOLS.map((tool) => {
    if (!tool) return h("span", { class: "rule" });
    const [id, sign, does] = tool;
    const button = name(h("button", { type: "button", class: "plain round", id: `canvas-${id}` }, icon(sign)), TEXT.canvas.tools[id]);
    button.addEventListener("click", does);
    return button;
  }));
  setSeveral(false);
  layout.whenLaid(laid);
  view.addEventListener("keydown", pressed);
  canvas.addEventListener("keyup", (event) => { if (event.key === " ") { spread = false; canvas.style.cursor = ""; } });
  canvas.addEventListener("blur", () => { spread = false; });
  canvas.addEventListener("dblclick", () => focused && act("show", focused));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("theme", redraw);
  addEventListener("pagehide", () => layout.sendLeaving());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") layout.sendLeaving();
    else look();
  });
  addEventListener("focus", look);
  whenSelected(() => { dress(); redraw(); });
  whenChanged(look);
  subscribe((now, before) => {
    view.hidden = !here();
    get("view-canvas").hidden = !now.board;
    get("view-canvas").setAttribute("aria-pressed", String(here()));
    if (now.view === before.view && now.board === before.board) return;
    if (!here()) {
      layout.load(null);
      shelf.clear();
      return;
    }
    dress();
    if (document.activeElement === document.body || document.activeElement?.closest("#pictures")) canvas.focus({ preventScroll: true });
  });
}
