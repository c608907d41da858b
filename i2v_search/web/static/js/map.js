// The collection as a map: alike pictures lie close together; the morph is a line across it.

import * as api from "./api.js";
import { act, title } from "./actions.js";
import { camera } from "./camera.js";
import { get, name } from "./dom.js";
import { icon } from "./icons.js";
import { announce } from "./notice.js";
import { known, remember, thumbnail } from "./reference.js";
import { spread } from "./spread.js";
import { state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";
import { thumbs } from "./thumbs.js";

const SMALLEST = 4, LARGEST = 300; // pixels of a picture on the screen
const STRETCH = 1.7; // the map is made wider or taller at most, to fill the canvas
const FAINT = 0.07; // what the filters leave out
const FILLED = 0.75; // share of the canvas that pictures fill
const canvas = get("map"), pen = canvas.getContext("2d");
let images = null, room = 1, asked = false, hovered = -1, focused = -1, way = () => [], asking = false;
const view = camera(canvas, { seen: redraw, pressed: press, pointed: point });
const shelf = thumbs(redraw);
let places = new Map(); // key -> position in images
let matching = null, filtered = "", filtering = null; // keys of what the filters let pass, null for all; for which filters

async function load() {
  if (images || asking) return;
  asking = true;
  tell(TEXT.mapping);
  try {
    let answer = await api.map();
    while (answer.wait) {
      await new Promise((resolve) => { setTimeout(resolve, answer.wait * 1000); });
      if (get("map-view").hidden) return; // whoever comes back to the map asks again
      answer = await api.map();
    }
    images = lay(answer.images.map((each) => ({ ...each, key: String(each.id) })));
    images.forEach((each) => remember(each.key, { version: each.version }));
    places = new Map(images.map((each, at) => [each.key, at]));
    tell(images.length ? "" : TEXT.mapNone);
    get("map-method").textContent = answer.explained;
    canvas.setAttribute("aria-label", say(TEXT.mapOf, images.length.toLocaleString()));
    count();
    if (images.length) view.cover(images.map((each) => each.x), images.map((each) => each.y));
  } catch (failure) {
    tell(failure.message);
  } finally {
    asking = false;
  }
}

/** Learn which images the filters let pass. */
async function filter(now) {
  const wanted = JSON.stringify([now.tags, now.rating]);
  if (wanted === filtered) return;
  filtered = wanted;
  filtering?.abort();
  const { signal } = (filtering = new AbortController());
  try {
    const found = await api.mapMatches(now, signal);
    if (signal.aborted) return;
    matching = found;
    count();
  } catch (failure) {
    if (signal.aborted) return;
    matching = null; // the list of results says what is wrong with the filters
    filtered = "";
  }
  redraw();
}
function count() {
  if (images) canvas.dataset.shown = String(images.filter(passes).length);
}
const passes = ({ key }) => !matching || matching.has(key);

function tell(text) {
  get("map-message").textContent = text;
  get("map-message").hidden = !text;
}

/** Give the pictures places that fill the canvas and do not cover one another, alike ones still together. */
function lay(found) {
  const [width, height] = ["x", "y"].map((axis) => span(found.map((each) => each[axis])));
  const shape = Math.min(STRETCH, Math.max(1 / STRETCH, (canvas.clientWidth || 1) / (canvas.clientHeight || 1))) * (height / width);
  const apart = Math.sqrt((width * shape * height * FILLED) / Math.max(1, found.length));
  const points = spread(found.map(({ x, y }) => [x * shape, y]), apart);
  room = apart;
  return found.map((each, at) => ({ ...each, x: points[at][0], y: points[at][1] }));
}
const span = (values) => values.reduce((one, two) => Math.max(one, two), 0) - values.reduce((one, two) => Math.min(one, two), 1) || 1;

/** Side of a picture on the screen: it fills the room that its place leaves. */
function side() {
  return Math.min(LARGEST, Math.max(SMALLEST, room * view.view.zoom * 0.94));
}

function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}

function draw() {
  asked = false;
  if (!images || canvas.hidden || !canvas.clientWidth) return;
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  pen.imageSmoothingQuality = "high";
  const style = getComputedStyle(canvas), size = side();
  const seen = [];
  images.forEach((each, at) => {
    const [x, y] = view.toScreen(each.x, each.y);
    if (x > -size && y > -size && x < canvas.clientWidth + size && y < canvas.clientHeight + size) seen.push([at, x, y]);
  });
  const now = state(), strong = new Set([...now.like, ...now.unlike, now.a, now.b].filter(Boolean));
  const steps = way().filter((key) => places.has(key));
  const faded = steps.length > 0;
  for (const [at, x, y] of seen) {
    pen.globalAlpha = passes(images[at]) ? (faded ? 0.32 : 1) : FAINT;
    paint(at, x, y, size, style);
  }
  pen.globalAlpha = 1;
  if (faded) drawWay(steps, size, style);
  for (const [at, x, y] of seen) {
    if (at === hovered || at === focused || strong.has(images[at].key)) {
      const box = paint(at, x, y, Math.max(size * 1.15, 44), style);
      frame(box, style.getPropertyValue(at === focused && document.activeElement === canvas ? "--accent" : "--ink"), at === focused ? 3 : 1.5);
    }
  }
  const [cx, cy] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const away = ([, x, y]) => Math.hypot(x - cx, y - cy);
  if (size > SMALLEST) shelf.want([...steps, ...strong, ...seen.sort((one, two) => away(one) - away(two)).map(([at]) => images[at].key)]);
}

function paint(at, x, y, size, style) {
  const picture = shelf.get(images[at].key);
  if (!picture) {
    pen.fillStyle = style.getPropertyValue("--line");
    const dot = Math.max(3, size * 0.3);
    pen.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    return [x - size / 2, y - size / 2, size, size];
  }
  const scale = size / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  pen.drawImage(picture, x - width / 2, y - height / 2, width, height);
  return [x - width / 2, y - height / 2, width, height];
}

function frame([left, top, width, height], colour, line) {
  pen.strokeStyle = colour;
  pen.lineWidth = line;
  pen.strokeRect(left - line / 2, top - line / 2, width + line, height + line);
}

function drawWay(keys, size, style) {
  const points = keys.map((key) => view.toScreen(images[places.get(key)].x, images[places.get(key)].y));
  pen.beginPath();
  points.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.strokeStyle = style.getPropertyValue("--accent");
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.stroke();
  keys.forEach((key, at) => frame(paint(places.get(key), ...points[at], Math.max(size, 44), style), style.getPropertyValue("--accent"), 2));
}

function nearest(x, y) {
  if (!images) return -1;
  const [mx, my] = view.toMap(x, y), reach = (side() * 0.75) / view.view.zoom;
  let best = -1, least = reach * reach;
  images.forEach((each, at) => {
    const away = (each.x - mx) ** 2 + (each.y - my) ** 2;
    if (away < least && passes(each)) [best, least] = [at, away];
  });
  return best;
}

function press([x, y]) {
  const at = nearest(x, y);
  if (at < 0) return;
  focus(at);
  act("show", images[at].key);
}

function point(where) {
  const at = where ? nearest(...where) : -1;
  if (at === hovered) return;
  hovered = at;
  canvas.classList.toggle("on-picture", at >= 0);
  showTip(at);
  redraw();
}

async function showTip(at) {
  const tip = get("map-tip");
  tip.hidden = at < 0;
  if (at < 0) return;
  const { key, x, y } = images[at], [left, top] = view.toScreen(x, y);
  get("map-tip-picture").src = thumbnail(key, 160);
  get("map-tip-name").textContent = known(key).path ? title(key) : "";
  const right = left > canvas.clientWidth / 2, below = top > canvas.clientHeight / 2;
  tip.style.left = `${left + (right ? -side() / 2 - 16 : side() / 2 + 16)}px`;
  tip.style.top = `${top}px`;
  tip.style.translate = `${right ? "-100%" : "0"} ${below ? "-100%" : "0"}`;
  if (known(key).path) return;
  const facts = await api.image(key).catch(() => null);
  if (facts) remember(key, facts);
  if (hovered === at && facts) get("map-tip-name").textContent = title(key);
}

function focus(at) {
  focused = at;
  canvas.dataset.key = images[at].key;
  view.reveal(images[at].x, images[at].y);
  redraw();
}

/** The next picture in the direction of an arrow key. */
function walk([dx, dy]) {
  if (focused < 0) return nearestTo(view.view.x, view.view.y);
  const here = images[focused];
  let best = focused, least = Infinity;
  images.forEach((each, at) => {
    const x = each.x - here.x, y = each.y - here.y, along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
    const cost = along + 2 * across;
    if (passes(each) && along > 1e-6 && across <= along * 1.5 && cost < least) [best, least] = [at, cost];
  });
  return best;
}
const away = (each, x, y) => (passes(each) ? (each.x - x) ** 2 + (each.y - y) ** 2 : Infinity);
const nearestTo = (x, y) => images.reduce((best, each, at) => (away(each, x, y) < away(images[best], x, y) ? at : best), 0);

async function pressed(event) {
  if (!images?.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const way = {
    "+": () => view.zoomAt(1.5), "=": () => view.zoomAt(1.5), "-": () => view.zoomAt(1 / 1.5), 0: view.fit,
    Enter: () => focused >= 0 && act("show", images[focused].key),
  }[event.key];
  if (!arrow && !way) return;
  event.preventDefault();
  event.stopPropagation();
  if (way) return way();
  focus(walk(arrow));
  const { key } = images[focused];
  if (!known(key).path) remember(key, await api.image(key).catch(() => ({})));
  if (images[focused].key === key) announce(title(key));
}

export function start(keysOnTheWay) {
  way = keysOnTheWay;
  canvas.addEventListener("keydown", pressed);
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);
  for (const [id, sign, text, press] of [
    ["zoom-in", "plus", TEXT.zoomIn, () => view.zoomAt(1.5)], ["zoom-out", "minus", TEXT.zoomOut, () => view.zoomAt(1 / 1.5)], ["fit", "fit", TEXT.fit, view.fit],
  ]) {
    get(id).append(icon(sign));
    name(get(id), text).addEventListener("click", press);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  subscribe((now) => {
    const here = now.view === "map";
    get("map-view").hidden = !here;
    get("pictures").hidden = here;
    get("view-map").setAttribute("aria-pressed", String(here));
    get("view-grid").setAttribute("aria-pressed", String(!here));
    if (here) {
      load();
      filter(now);
    }
    redraw();
  });
}
export { redraw };
