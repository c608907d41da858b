"use strict";
// Every text of the page; {0}, {1} stand for numbers and names.
const TEXT = {
  facts: "{0} images, alike ones close together",
  factsSample: "an even sample of {0} of {1} images, alike ones close together",
  kept: "{0} % of the nearest neighbours kept ({1})",
  methods: { tsne: "t-SNE", pca: "principal components" },
  search: "Search paths and tags",
  found: "{0} found",
  places: "True places",
  placesHelp: "Show where images really lie, even on top of each other",
  map: "Map of images. Arrow keys go to the next image, Enter shows it, plus and minus zoom, 0 shows all, / searches.",
  hint: "Drag to move · wheel or pinch to zoom · arrow keys to walk · / to search",
  zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "Show all",
  copy: "Copy path", copied: "Copied", notCopied: "Press Ctrl+C",
  close: "Close", near: "Nearest on the map",
  missing: "The file of this picture could not be read.",
  none: "There are no images to show.",
};
const NEIGHBOURS = 8, MARGIN = 0.5, LONGEST = 4096;
const say = (text, ...values) => text.replace(/\{(\d)\}/g, (_, at) => values[at]);
const get = (id) => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const count = data.paths.length;
const lower = data.paths.map((path, at) =>
  [path, ...data.tags[at].map((tag) => data.vocabulary[tag])].join("\n").toLowerCase());

// Two places for each image, in cells: one of its own on the grid, and where it really lies.
const grid = data.cells.map(([column, row]) => [column + 0.5, row + 0.5]);
const span = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
const [[west, east], [north, south]] = [0, 1].map((axis) => span(data.coordinates.map((point) => point[axis])));
const reach = Math.min(data.columns / (east - west || 1e-9), data.rows / (south - north || 1e-9), 1e3);
const truth = data.coordinates.map(([x, y]) =>
  [data.columns / 2 + (x - (west + east) / 2) * reach, data.rows / 2 + (y - (north + south) / 2) * reach]);
let spread = 1, aim = 1; // 1: the grid, 0: the truth
const place = (at) => [
  truth[at][0] + (grid[at][0] - truth[at][0]) * spread, truth[at][1] + (grid[at][1] - truth[at][1]) * spread];

// Sheets, and small copies of them: drawing large sprites very small flickers and is slow.
const sheets = data.sheets.map((source) => {
  const sheet = { image: new Image(), small: null };
  sheet.image.onload = () => {
    const small = document.createElement("canvas");
    small.width = Math.max(1, sheet.image.width >> 2);
    small.height = Math.max(1, sheet.image.height >> 2);
    const pen = small.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(sheet.image, 0, 0, small.width, small.height);
    sheet.small = small;
    redraw();
    if (selected >= 0) show(selected);
  };
  sheet.image.src = source;
  return sheet;
});
function sprite(at) {
  const each = data.across * data.across, within = at % each;
  const [width, height] = data.sizes[at];
  return {
    sheet: sheets[Math.floor(at / each)], width, height,
    x: (within % data.across) * data.side, y: Math.floor(within / data.across) * data.side,
  };
}
/** Draw a picture with its longer side `side` around a point; returns the box it takes. */
function paint(pen, at, x, y, side) {
  const { sheet, width, height, x: left, y: top } = sprite(at);
  if (!width || !sheet.small) {
    pen.fillStyle = colours.missing;
    pen.fillRect(x - side / 2, y - side / 2, side, side);
    return [x - side / 2, y - side / 2, side, side];
  }
  const scale = side / Math.max(width, height), w = width * scale, h = height * scale;
  if (side * 3 < data.side) {
    pen.drawImage(sheet.small, left / 4, top / 4, width / 4, height / 4, x - w / 2, y - h / 2, w, h);
  } else {
    pen.drawImage(sheet.image, left, top, width, height, x - w / 2, y - h / 2, w, h);
  }
  return [x - w / 2, y - h / 2, w, h];
}

const canvas = get("map"), pen = canvas.getContext("2d"), stage = get("stage");
const view = { x: data.columns / 2, y: data.rows / 2, zoom: 1 }; // zoom: pixels a cell
let ratio = 1, hovered = -1, selected = -1, focused = -1, matches = null, near = [], asked = false;
let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["page", "panel", "ink", "accent", "near", "edge", "missing"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  redraw();
}
/** Side of a picture on the screen. In the true places it grows slower than the map, so that zooming parts them. */
function side() {
  const slow = fitZoom() * Math.pow(view.zoom / fitZoom(), 0.55) * 0.8;
  return spread * view.zoom * 0.92 + (1 - spread) * slow;
}
function fitZoom() {
  return Math.min(stage.clientWidth / (data.columns + 2 * MARGIN), stage.clientHeight / (data.rows + 2 * MARGIN)) || 1;
}
const toScreen = ([x, y]) =>
  [(x - view.x) * view.zoom + stage.clientWidth / 2, (y - view.y) * view.zoom + stage.clientHeight / 2];
const toMap = (x, y) =>
  [(x - stage.clientWidth / 2) / view.zoom + view.x, (y - stage.clientHeight / 2) / view.zoom + view.y];

function redraw() {
  if (!asked) { asked = true; requestAnimationFrame(draw); }
}
function frame(box, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.strokeRect(box[0] - width / 2, box[1] - width / 2, box[2] + width, box[3] + width);
}
function draw() {
  asked = false;
  if (Math.abs(aim - spread) > 0.002) {
    spread += (aim - spread) * (calm.matches ? 1 : 0.2);
    redraw();
  } else {
    spread = aim;
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.page;
  pen.fillRect(0, 0, stage.clientWidth, stage.clientHeight);
  pen.imageSmoothingQuality = "medium";
  const length = side(), last = [];
  const one = (at) => {
    const [x, y] = toScreen(place(at));
    if (x < -length || y < -length || x > stage.clientWidth + length || y > stage.clientHeight + length) return null;
    return paint(pen, at, x, y, length);
  };
  for (let at = 0; at < count; at++) {
    if (at === selected || at === hovered || at === focused || near.includes(at)) { last.push(at); continue; }
    pen.globalAlpha = matches && !matches.has(at) ? 0.12 : 1;
    const box = one(at);
    if (box && length > 14) frame(box, colours.edge, 1);
  }
  for (const at of last) {
    pen.globalAlpha = matches && !matches.has(at) && at !== selected && !near.includes(at) ? 0.4 : 1;
    const box = one(at);
    if (!box) continue;
    pen.globalAlpha = 1;
    if (at === selected) frame(box, colours.accent, 4);
    else if (near.includes(at)) frame(box, colours.near, 3);
    else frame(box, colours.accent, 2);
  }
  pen.globalAlpha = 1;
}

/** The image under a point of the screen, or -1. */
function under(x, y) {
  const length = side();
  let best = -1, least = Infinity;
  for (let at = 0; at < count; at++) {
    const [cx, cy] = toScreen(place(at));
    const away = Math.max(Math.abs(cx - x), Math.abs(cy - y));
    if (away <= length / 2 && away < least) { least = away; best = at; }
  }
  return best;
}
/** The images nearest to one on the map, nearest first. */
function nearest(at) {
  const [x, y] = truth[at];
  const away = (other) => (truth[other][0] - x) ** 2 + (truth[other][1] - y) ** 2;
  return data.paths.map((_, other) => other).filter((other) => other !== at)
    .sort((a, b) => away(a) - away(b)).slice(0, NEIGHBOURS);
}
const tagsOf = (at) => data.tags[at].map((tag) => data.vocabulary[tag]);

function tell(at, x, y) {
  const tip = get("tip");
  tip.hidden = at < 0;
  if (at < 0) return;
  const name = document.createElement("bdi"), tags = document.createElement("small");
  name.textContent = data.paths[at];
  tags.textContent = tagsOf(at).slice(0, 6).join(", ");
  tip.replaceChildren(name, ...(tags.textContent ? [document.createElement("br"), tags] : []));
  const left = Math.min(x + 14, stage.clientWidth - tip.offsetWidth - 8);
  const above = y + 18 + tip.offsetHeight > stage.clientHeight;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = Math.max(4, above ? y - tip.offsetHeight - 12 : y + 18) + "px";
}
function enlarge(target, at, side) {
  const { width, height } = sprite(at);
  const scale = width ? side / Math.max(width, height) : 0;
  target.width = Math.max(1, Math.round(width * scale));
  target.height = Math.max(1, Math.round(height * scale));
  const ink = target.getContext("2d");
  ink.imageSmoothingQuality = "high";
  if (width) paint(ink, at, target.width / 2, target.height / 2, Math.max(target.width, target.height));
}
function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(text);
  made.addEventListener("click", act);
  return made;
}
function listed(element) {
  const item = document.createElement("li");
  item.append(element);
  return item;
}
function show(at) {
  const opened = get("detail").hidden && at >= 0;
  selected = at;
  near = at < 0 ? [] : nearest(at);
  get("detail").hidden = at < 0;
  if (at >= 0) {
    focused = at;
    get("path").firstElementChild.textContent = data.paths[at];
    get("missing").hidden = data.sizes[at][0] > 0;
    get("picture").hidden = !get("missing").hidden;
    get("picture").setAttribute("aria-label", data.paths[at]);
    enlarge(get("picture"), at, 600);
    get("copy").textContent = TEXT.copy;
    get("tags").replaceChildren(...tagsOf(at).map((tag) => listed(button(tag, () => find(tag)))));
    get("near").replaceChildren(...near.map((other) => {
      const picture = document.createElement("canvas");
      enlarge(picture, other, 128);
      const made = button(picture, () => { show(other); reveal(other); });
      made.title = data.paths[other];
      made.setAttribute("aria-label", data.paths[other]);
      picture.style.objectFit = "contain";
      return listed(made);
    }));
    get("near-title").hidden = !near.length;
  }
  tell(-1);
  if (opened || at < 0) resize();
  if (opened) reveal(at);
  redraw();
}
/** Move the view only as far as needed to have an image on it. */
function reveal(at) {
  const [x, y] = toScreen(place(at)), room = Math.min(60, stage.clientWidth / 4, stage.clientHeight / 4) + side() / 2;
  const w = stage.clientWidth, h = stage.clientHeight;
  view.x += (Math.min(0, x - room) + Math.max(0, x - w + room)) / view.zoom;
  view.y += (Math.min(0, y - room) + Math.max(0, y - h + room)) / view.zoom;
  redraw();
}
function focusOn(at) {
  focused = at;
  if (selected >= 0) show(at);
  reveal(at);
  tell(at, ...toScreen(place(at)));
  get("said").textContent = [data.paths[at], ...tagsOf(at).slice(0, 6)].join(", ");
}
/** The next image from the focused one in a direction, matches only while searching. */
function step(dx, dy) {
  const [fx, fy] = focused >= 0 ? place(focused) : [view.x, view.y];
  let best = -1, least = Infinity;
  for (let at = 0; at < count; at++) {
    if (at === focused || (matches && !matches.has(at))) continue;
    const [x, y] = place(at), along = (x - fx) * dx + (y - fy) * dy, off = Math.abs((x - fx) * dy - (y - fy) * dx);
    if (focused >= 0 && along < Math.max(1e-6, off * 0.9)) continue;
    const cost = Math.abs(along) + 2 * off;
    if (cost < least) { least = cost; best = at; }
  }
  if (best >= 0) focusOn(best);
}

function zoomAt(x, y, factor) {
  const [mx, my] = toMap(x, y), fit = fitZoom();
  view.zoom = Math.min(Math.max(view.zoom * factor, fit * 0.5), Math.max(fit * 2, 400));
  view.x = mx - (x - stage.clientWidth / 2) / view.zoom;
  view.y = my - (y - stage.clientHeight / 2) / view.zoom;
  redraw();
}
const zoomMiddle = (factor) => zoomAt(stage.clientWidth / 2, stage.clientHeight / 2, factor);
/** Show all of some images: all, or those found. */
function fit(ats) {
  let left = 0, right = data.columns, top = 0, bottom = data.rows;
  if (ats && ats.length) {
    [left, right] = span(ats.map((at) => place(at)[0]));
    [top, bottom] = span(ats.map((at) => place(at)[1]));
    [left, right, top, bottom] = [left - 1, right + 1, top - 1, bottom + 1];
  }
  view.x = (left + right) / 2;
  view.y = (top + bottom) / 2;
  view.zoom = Math.min(
    stage.clientWidth / (right - left + 2 * MARGIN), stage.clientHeight / (bottom - top + 2 * MARGIN), 160) || 1;
  redraw();
}
function find(text) {
  get("search").value = text;
  const words = text.toLowerCase().split(/[\s,]+/).filter(Boolean);
  matches = words.length ? new Set(lower.flatMap((known, at) => (words.every((word) => known.includes(word)) ? [at] : []))) : null;
  get("found").textContent = matches ? say(TEXT.found, matches.size.toLocaleString("en")) : "";
  redraw();
}

// The pointer: one drags, two pinch, a click that did not drag opens.
const down = new Map();
let dragged = 0;
const spot = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  if (!down.size) dragged = 0;
  down.set(event.pointerId, spot(event));
});
canvas.addEventListener("pointermove", (event) => {
  const now = spot(event), before = down.get(event.pointerId);
  if (!before) {
    const at = under(...now);
    if (at !== hovered) { hovered = at; redraw(); }
    tell(at, ...now);
    return;
  }
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  dragged += Math.abs(dx) + Math.abs(dy);
  if (dragged > 5) { canvas.classList.add("moving"); tell(-1); }
  const other = [...down].filter(([id]) => id !== event.pointerId).map(([, at]) => at)[0];
  if (other) {
    const apart = Math.hypot(before[0] - other[0], before[1] - other[1]) || 1;
    zoomAt(other[0], other[1], Math.hypot(now[0] - other[0], now[1] - other[1]) / apart);
  } else {
    view.x -= dx / view.zoom;
    view.y -= dy / view.zoom;
    redraw();
  }
  down.set(event.pointerId, now);
});
function release(event) {
  if (!down.delete(event.pointerId)) return;
  canvas.classList.remove("moving");
  if (event.type === "pointerup" && dragged <= 5 && !down.size) show(under(...spot(event)));
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", () => { hovered = -1; tell(-1); redraw(); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1;
  zoomAt(...spot(event), Math.exp(-event.deltaY * lines * 0.0015));
}, { passive: false });
canvas.addEventListener("blur", () => tell(-1));

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = arrows[event.key];
  if (arrow && event.shiftKey) {
    view.x += (arrow[0] * 80) / view.zoom;
    view.y += (arrow[1] * 80) / view.zoom;
    redraw();
  } else if (arrow) step(...arrow);
  else if (event.key === "+" || event.key === "=") zoomMiddle(1.3);
  else if (event.key === "-") zoomMiddle(1 / 1.3);
  else if (event.key === "0" || event.key === "Home") fit();
  else if ((event.key === "Enter" || event.key === " ") && focused >= 0) show(focused);
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  const writing = event.target === get("search");
  if (event.key === "/" && !writing) { get("search").focus(); event.preventDefault(); }
  if (event.key !== "Escape") return;
  if (writing && get("search").value) find("");
  else if (selected >= 0) show(-1);
  canvas.focus();
});
get("search").addEventListener("input", (event) => find(event.target.value));
get("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !matches || !matches.size) return;
  fit([...matches]);
  canvas.focus();
  focusOn([...matches][0]);
});
get("places").addEventListener("click", () => {
  aim = 1 - aim;
  get("places").setAttribute("aria-pressed", String(aim === 0));
  redraw();
});
get("in").addEventListener("click", () => zoomMiddle(1.4));
get("out").addEventListener("click", () => zoomMiddle(1 / 1.4));
get("fit").addEventListener("click", () => fit());
get("close").addEventListener("click", () => { show(-1); canvas.focus(); });
get("copy").addEventListener("click", async () => {
  const path = data.paths[selected];
  try {
    await navigator.clipboard.writeText(path);
    get("copy").textContent = TEXT.copied;
  } catch {
    getSelection().selectAllChildren(get("path").firstElementChild);
    get("copy").textContent = document.execCommand("copy") ? TEXT.copied : TEXT.notCopied;
  }
});

function resize() {
  ratio = window.devicePixelRatio || 1;
  // Beyond some size browsers give no canvas at all.
  ratio = Math.min(ratio, LONGEST / Math.max(1, stage.clientWidth, stage.clientHeight));
  canvas.width = Math.max(1, Math.round(stage.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(stage.clientHeight * ratio));
  redraw();
}
const calm = matchMedia("(prefers-reduced-motion: reduce)");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
window.addEventListener("resize", resize);

const number = (value) => value.toLocaleString("en");
get("title").textContent = data.title;
get("facts").textContent = [
  data.total > count ? say(TEXT.factsSample, number(count), number(data.total)) : say(TEXT.facts, number(count)),
  ...(data.kept === null ? [] : [say(TEXT.kept, Math.round(100 * data.kept), TEXT.methods[data.method])]),
].join(" · ");
for (const [id, text] of Object.entries({ places: "places", fit: "fit", copy: "copy", close: "close", "near-title": "near", missing: "missing", none: "none", hint: "hint" })) {
  get(id).textContent = TEXT[text];
}
for (const [id, text] of Object.entries({ map: "map", search: "search", in: "zoomIn", out: "zoomOut" })) {
  get(id).setAttribute("aria-label", TEXT[text]);
}
get("places").title = TEXT.placesHelp;
get("search").placeholder = TEXT.search;
get("none").hidden = count > 0;
readColours();
resize();
fit();
