// The collection as a map: alike pictures lie close together; the morph is a line across it.

import * as api from "./api.js";
import { act, title } from "./actions.js";
import { atlas } from "./atlas.js";
import { camera } from "./camera.js";
import { get, name } from "./dom.js";
import { icon } from "./icons.js";
import { lasso } from "./lasso.js";
import { drawNames } from "./mapnames.js";
import { mapscene } from "./mapscene.js";
import { nearby } from "./nearby.js";
import { announce, notify } from "./notice.js";
import { known, remember, thumbnail } from "./reference.js";
import { add, selected, toggle, whenSelected } from "./selection.js";
import { spread } from "./spread.js";
import { state, subscribe } from "./state.js";
import { TEXT, count as counted, say } from "./strings.js";
import { thumbs } from "./thumbs.js";

const SMALLEST = 3, LARGEST = 300; // pixels of a picture on the screen
const STRETCH = 1.7; // the map is made wider or taller at most, to fill the canvas
const FAINT = 0.07; // what the filters leave out
const FADED = 0.32; // all but the pictures of a morph
const REST = 90; // milliseconds
const FILLED = 0.75; // share of the canvas that pictures fill
const WHOLE_FROM = 110, WHOLE_MOST = 30; // pixels from which pictures come one by one; how many of them at most
const canvas = get("map"), pen = canvas.getContext("2d");
let places = new Map(); // key -> position in the arrays below
let keys = [], xs = [], ys = [], ratios = [], regions = [];
let index = null, sheets = null, room = 1, asked = false, asking = false;
let hovered = -1, focused = -1, faded = false, picking = false, settled = "", way = () => [];
let matching = null, filtered = "", filtering = null; // keys of what the filters let pass, null for all; for which filters
const loop = lasso();
const view = camera(canvas, { seen: redraw, pressed: press, pointed: point, draws: (event) => Boolean(index) && (picking || event.shiftKey), drawn: pick });
const shelf = thumbs(repaint);
const scene = mapscene({ find: (...rectangle) => index.within(...rectangle), paint: paintFar, dot });

async function load() {
  if (index || asking) return sheets?.ask();
  asking = true;
  tell(TEXT.mapping);
  try {
    let answer = await api.map();
    while (answer.wait) {
      const { stage = "", share = 0, seconds_left: left = null } = answer;
      progress(share, say(TEXT.mapStage, TEXT.mapStages[stage] ?? TEXT.mapStages[""], Math.floor(share * 100)), left);
      await new Promise((resolve) => { setTimeout(resolve, answer.wait * 1000); });
      if (get("map-view").hidden) return undefined; // whoever comes back to the map asks again
      answer = await api.map();
    }
    progress(null);
    take(answer);
  } catch (failure) {
    progress(null);
    tell(failure.message);
  } finally {
    asking = false;
  }
  return undefined;
}

/** Show a map. */
function take({ images, regions: named, explained, atlas: key }) {
  keys = images.map(({ id }) => String(id));
  ratios = Float64Array.from(images, ({ ratio }) => ratio);
  places = new Map(keys.map((each, at) => [each, at]));
  images.forEach(({ version }, at) => remember(keys[at], { version }));
  lay(images);
  regions = named.map((region) => ({ ...region, at: nearestOf(images, region), room: Math.sqrt(region.images) * room }));
  index = nearby(xs, ys);
  tell(keys.length ? "" : TEXT.mapNone);
  get("map-method").textContent = explained;
  canvas.setAttribute("aria-label", say(TEXT.mapOf, keys.length.toLocaleString()));
  count();
  if (!keys.length) return;
  view.cover(index.bounds, LARGEST / room);
  sheets = atlas(key, ratios, { arrived: repaint, told: tellSheets, wanted: () => !get("map-view").hidden });
  sheets.ask();
}
/** The picture at the place that the server gives a region: it was moved since. */
const nearestOf = (images, { x, y }) => images.reduce((best, each, at) =>
  ((each.x - x) ** 2 + (each.y - y) ** 2 < (images[best].x - x) ** 2 + (images[best].y - y) ** 2 ? at : best), 0);

/** Learn which images the filters let pass. */
async function filter(now) {
  const wanted = api.conditionsKey(now);
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
  repaint();
}
function count() {
  if (!index) return;
  const passing = matching ? keys.filter((key) => matching.has(key)).length : keys.length;
  canvas.dataset.shown = String(passing);
  get("map-passing").textContent = matching ? say(TEXT.mapPassing, passing.toLocaleString(), keys.length.toLocaleString()) : "";
}
const passes = (at) => !matching || matching.has(keys[at]);

function tell(text) {
  get("map-message").textContent = text;
  get("map-message").hidden = !text;
}

/** Show how far something is, in the middle or `aside`; null: it is over. */
function progress(share, text = "", left = null, aside = false) {
  const [bar, words] = get("map-progress").children;
  get("map-progress").hidden = share === null;
  get("map-progress").classList.toggle("aside", aside);
  if (share === null) return;
  bar.hidden = share >= 1;
  bar.value = share;
  words.textContent = left === null ? text
    : left < 90 ? say(TEXT.mapLeft.seconds, text, Math.ceil(left)) : say(TEXT.mapLeft.minutes, text, Math.round(left / 60));
}
function tellSheets(answer) {
  if (answer && !answer.making) canvas.dataset.sprites = String(answer.done);
  if (!answer || (!answer.making && answer.done >= answer.total)) return progress(null);
  const numbers = [answer.done, answer.total].map((number) => number.toLocaleString());
  if (answer.making) return progress(answer.done / answer.total, say(TEXT.mapPictures, ...numbers), answer.seconds_left, true);
  return progress(1, say(TEXT.mapPicturesSome, (answer.total - answer.done).toLocaleString(), numbers[1]), null, true);
}

/** Give the pictures places that fill the canvas and do not cover one another, alike ones still together. */
function lay(found) {
  const [width, height] = ["x", "y"].map((axis) => span(found.map((each) => each[axis])));
  const shape = Math.min(STRETCH, Math.max(1 / STRETCH, (canvas.clientWidth || 1) / (canvas.clientHeight || 1))) * (height / width);
  room = Math.sqrt((width * shape * height * FILLED) / Math.max(1, found.length));
  const points = spread(found.map(({ x, y }) => [x * shape, y]), room);
  xs = Float64Array.from(points, ([x]) => x);
  ys = Float64Array.from(points, ([, y]) => y);
}
const span = (values) => values.reduce((one, two) => Math.max(one, two), 0) - values.reduce((one, two) => Math.min(one, two), 1) || 1;

/** Side of a picture on the screen: it fills the room that its place leaves. */
function side() {
  return Math.min(LARGEST, Math.max(SMALLEST, room * view.view.zoom * 0.94));
}
const toScreen = (at) => view.toScreen(xs[at], ys[at]);
const ratio = () => devicePixelRatio || 1;

/** Draw once more: the camera moved, or something that lies over the pictures changed. */
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
}
/** Paint the pictures anew, too. */
function repaint() {
  scene.spoil();
  redraw();
}

function draw() {
  asked = false;
  if (!index || canvas.hidden || !canvas.clientWidth) return;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight].map((length) => Math.round(length * ratio()));
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  const style = getComputedStyle(canvas), size = side(), now = state();
  const strong = [...now.like, ...now.unlike, now.a, now.b].filter((key) => places.has(key));
  const steps = way().filter((key) => places.has(key));
  if (faded !== steps.length > 0) scene.spoil();
  faded = steps.length > 0;
  const { x, y, zoom } = view.view;
  const done = scene.show(pen, { x, y, zoom, width: canvas.clientWidth, height: canvas.clientHeight, ratio: ratio(), size, xs, ys });
  if (!done) redraw();
  if (faded) drawWay(steps, size, style);
  drawSelected(size, style);
  drawRegions(style);
  for (const at of new Set([...strong.map((key) => places.get(key)), hovered, focused])) if (at >= 0) drawLarge(at, size, style);
  drawLoop(style);
  if (done) settle([...steps, ...strong], size);
}

/** Load what the view needs, once it stands still. */
function settle(first, size) {
  const { x, y, zoom } = view.view, halfX = canvas.clientWidth / 2 / zoom, halfY = canvas.clientHeight / 2 / zoom;
  const seen = [], pixels = size * ratio();
  index.within(x - halfX, y - halfY, x + halfX, y + halfY, (at) => seen.push(at));
  sheets.want(seen, pixels);
  const whole = pixels > WHOLE_FROM ? seen : [];
  const away = (at) => (xs[at] - x) ** 2 + (ys[at] - y) ** 2;
  const nearest = whole.length > WHOLE_MOST ? whole.sort((one, two) => away(one) - away(two)).slice(0, WHOLE_MOST) : whole;
  const wanted = [...first, ...nearest.map((at) => keys[at])];
  if (wanted.join() !== settled) shelf.want(wanted);
  settled = wanted.join();
}

const GREY = 0xffaaa6a0; // of a picture whose colour is not known yet, as a canvas holds it
/** The colour of a picture's dot, as canvases hold it. */
function dot(at) {
  const colour = sheets?.colours[at] || GREY;
  const share = passes(at) ? (faded ? FADED : 1) : FAINT;
  return ((colour & 0xffffff) | (Math.round(share * 255) << 24)) >>> 0;
}
function paintFar(far, at, x, y) {
  far.globalAlpha = passes(at) ? (faded ? FADED : 1) : FAINT;
  paint(far, at, x, y, side());
}
/** Paint a picture around a point, as large as `size`; returns its box. */
function paint(on, at, x, y, size) {
  const [width, height] = ratios[at] >= 1 ? [size, size / ratios[at]] : [size * ratios[at], size];
  const box = [x - width / 2, y - height / 2, width, height];
  const whole = shelf.get(keys[at]), part = !whole && sheets?.sprite(at, size * ratio());
  if (whole) on.drawImage(whole, ...box);
  else if (part) on.drawImage(...part, ...box);
  else {
    const colour = sheets?.colours[at] || GREY, little = Math.max(3, size * 0.3);
    on.fillStyle = `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
    on.fillRect(x - little / 2, y - little / 2, little, little);
  }
  return box;
}

function frame([left, top, width, height], colour, line) {
  pen.strokeStyle = colour;
  pen.lineWidth = line;
  pen.strokeRect(left - line / 2, top - line / 2, width + line, height + line);
}
function drawLarge(at, size, style) {
  const marked = at === focused && document.activeElement === canvas;
  const box = paint(pen, at, ...toScreen(at), Math.max(size * 1.15, 44));
  frame(box, style.getPropertyValue(marked ? "--accent" : "--ink"), marked ? 3 : 1.5);
}
function drawSelected(size, style) {
  if (!selected().size) return;
  pen.beginPath();
  for (const key of selected()) {
    if (!places.has(key)) continue;
    const [x, y] = toScreen(places.get(key));
    pen.rect(x - size / 2, y - size / 2, size, size);
  }
  pen.strokeStyle = style.getPropertyValue("--accent");
  pen.lineWidth = Math.min(3, Math.max(1, size / 10));
  pen.stroke();
}
function drawRegions(style) {
  const said = drawNames(pen, regions, {
    place: ({ at }) => toScreen(at), zoom: view.view.zoom, width: canvas.clientWidth, height: canvas.clientHeight,
    family: style.fontFamily, ink: style.getPropertyValue("--ink"), ground: getComputedStyle(canvas.parentElement).backgroundColor,
  });
  const described = said.length ? say(TEXT.mapRegions, said.join(", ")) : "";
  if (canvas.getAttribute("aria-description") !== described) canvas.setAttribute("aria-description", described);
}
function drawLoop(style) {
  const points = loop.points().map(([x, y]) => view.toScreen(x, y));
  if (!points.length) return;
  pen.beginPath();
  points.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.globalAlpha = 0.12;
  pen.fillStyle = style.getPropertyValue("--accent");
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = style.getPropertyValue("--accent");
  pen.lineWidth = 2;
  pen.stroke();
}
function drawWay(steps, size, style) {
  const points = steps.map((key) => toScreen(places.get(key)));
  pen.beginPath();
  points.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.strokeStyle = style.getPropertyValue("--accent");
  pen.lineWidth = 2.5;
  pen.lineJoin = "round";
  pen.stroke();
  steps.forEach((key, at) => frame(paint(pen, places.get(key), ...points[at], Math.max(size, 44)), style.getPropertyValue("--accent"), 2));
}

function nearest(x, y) {
  return index ? index.nearest(...view.toMap(x, y), Math.max(4, side() * 0.75) / view.view.zoom, passes) : -1;
}

function press([x, y], event) {
  const at = nearest(x, y);
  if (at < 0) return;
  focus(at);
  if (picking || event.shiftKey || event.ctrlKey || event.metaKey) toggle(keys[at]);
  else act("show", keys[at]);
}

/** Draw the lasso to a point of the screen; null: it is closed, and what is inside is selected. */
function pick(where, givenUp = false) {
  if (where) loop.add(view.toMap(...where), view.view.zoom);
  else {
    const inside = [];
    if (!givenUp) index.within(...loop.bounds(), (at) => { if (passes(at) && loop.holds(xs[at], ys[at])) inside.push(at); });
    loop.clear();
    choose(inside);
  }
  redraw();
}
function choose(pictures) {
  if (!pictures.length) return;
  const left = add(pictures.map((at) => keys[at]));
  if (left) notify(counted(TEXT.lassoFull, left));
}
function chooseInSight() {
  const [left, top] = view.toMap(0, 0), [right, bottom] = view.toMap(canvas.clientWidth, canvas.clientHeight), inside = [];
  index.within(left, top, right, bottom, (at) => { if (passes(at)) inside.push(at); });
  choose(inside);
}
function setPicking(on) {
  picking = on;
  canvas.classList.toggle("drawing", on);
  get("lasso").setAttribute("aria-pressed", String(on));
}

function point(where) {
  const at = where ? nearest(...where) : -1;
  if (at === hovered) return;
  hovered = at;
  canvas.classList.toggle("on-picture", at >= 0);
  showTip(at);
  redraw();
}

/** Show what is pointed at, large and with its name, once the mouse rests there: nothing is asked for on its way. */
async function showTip(at) {
  const tip = get("map-tip");
  tip.hidden = true;
  if (at < 0) return;
  await new Promise((resolve) => { setTimeout(resolve, REST); });
  if (hovered !== at) return;
  tip.hidden = false;
  const key = keys[at], [left, top] = toScreen(at);
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
  canvas.dataset.key = keys[at];
  view.reveal(xs[at], ys[at]);
  redraw();
}

/** The next picture in the direction of an arrow key. */
function walk([dx, dy]) {
  const from = focused < 0 ? [view.view.x, view.view.y] : [xs[focused], ys[focused]];
  let best = focused, least = Infinity;
  for (let at = 0; at < keys.length; at += 1) {
    const x = xs[at] - from[0], y = ys[at] - from[1];
    if (focused < 0) {
      if (x * x + y * y < least && passes(at)) [best, least] = [at, x * x + y * y];
      continue;
    }
    const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx), cost = along + 2 * across;
    if (along > 1e-6 && across <= along * 1.5 && cost < least && passes(at)) [best, least] = [at, cost];
  }
  return Math.max(0, best);
}

async function pressed(event) {
  if (!index || !keys.length || event.altKey) return;
  const command = event.ctrlKey || event.metaKey, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const does = command ? { a: chooseInSight }[key] : {
    "+": () => view.zoomAt(1.5), "=": () => view.zoomAt(1.5), "-": () => view.zoomAt(1 / 1.5), 0: view.fit,
    Enter: () => focused >= 0 && act("show", keys[focused]), " ": () => focused >= 0 && toggle(keys[focused]),
    l: () => setPicking(!picking), Escape: picking ? () => setPicking(false) : undefined,
  }[key];
  if (command ? !does : !arrow && !does) return;
  event.preventDefault();
  event.stopPropagation();
  if (does) return does();
  focus(walk(arrow));
  const at = keys[focused];
  if (!known(at).path) remember(at, await api.image(at).catch(() => ({})));
  if (keys[focused] === at) announce(title(at));
}

export function start(keysOnTheWay) {
  way = keysOnTheWay;
  canvas.addEventListener("keydown", pressed);
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", redraw);
  for (const [id, sign, text, does] of [
    ["lasso", "lasso", TEXT.lasso, () => setPicking(!picking)],
    ["zoom-in", "plus", TEXT.zoomIn, () => view.zoomAt(1.5)], ["zoom-out", "minus", TEXT.zoomOut, () => view.zoomAt(1 / 1.5)], ["fit", "fit", TEXT.fit, view.fit],
  ]) {
    get(id).append(icon(sign));
    name(get(id), text).addEventListener("click", does);
  }
  whenSelected(redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  subscribe((now) => {
    const here = now.view === "map";
    get("map-view").hidden = !here;
    get("view-map").setAttribute("aria-pressed", String(here));
    if (here) {
      load();
      filter(now);
    }
    redraw();
  });
}
export { redraw };
