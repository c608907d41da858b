// The player: one picture of the film fades into the next. Nothing is made up: what shows between is a fade.

import { calm, get, name } from "./dom.js";
import { icon } from "./icons.js";
import { thumbnail } from "./reference.js";
import { TEXT, say } from "./strings.js";

const HOLD = 0.55, FADE = 0.65; // seconds a picture stands, and fades into the next
const canvas = get("screen"), scrub = get("scrub"), button = get("play");
const pen = canvas.getContext("2d"), layer = document.createElement("canvas");
let pictures = [], at = 0, playing = false, last = 0, onPicture = () => {}, shown = -1;

/** Take the stops of a morph, standing at A. */
export function set(stops) {
  stop();
  pictures = stops.map((each) => {
    const picture = new Image();
    picture.onload = draw;
    picture.src = thumbnail(each.key, 640);
    return picture;
  });
  at = 0;
  shown = -1;
  scrub.max = String(Math.max(1, stops.length - 1));
  moved();
}

function fit() {
  const ratio = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
}

/** Draw a picture on a sheet of white paper of the canvas' size. */
function paint(pen, picture, alpha) {
  pen.globalAlpha = alpha;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (!picture?.naturalWidth) return;
  const scale = Math.min(canvas.width / picture.naturalWidth, canvas.height / picture.naturalHeight);
  const width = picture.naturalWidth * scale, height = picture.naturalHeight * scale;
  pen.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

function draw() {
  fit();
  const first = Math.floor(at), start = HOLD / (HOLD + FADE);
  const part = calm() ? 0 : Math.max(0, (at - first - start) / (1 - start));
  const eased = part * part * (3 - 2 * part);
  paint(pen, pictures[first], 1);
  if (!eased) return;
  layer.width = canvas.width;
  layer.height = canvas.height;
  paint(layer.getContext("2d"), pictures[first + 1], 1);
  pen.globalAlpha = eased;
  pen.drawImage(layer, 0, 0);
}

function moved() {
  scrub.value = String(at);
  const nearest = Math.round(at);
  scrub.setAttribute("aria-valuetext", say(TEXT.positionAt, nearest + 1, pictures.length));
  if (nearest !== shown) onPicture((shown = nearest));
  draw();
}

function step(time) {
  if (!playing) return;
  at = Math.min(pictures.length - 1, at + Math.min(0.1, (time - last) / 1000) / (HOLD + FADE));
  last = time;
  moved();
  if (at >= pictures.length - 1) stop();
  else requestAnimationFrame(step);
}

function label() {
  button.replaceChildren(icon(playing ? "pause" : "play"));
  name(button, playing ? TEXT.pause : TEXT.play);
}
export function stop() {
  playing = false;
  label();
}
export function toggle() {
  if (playing || pictures.length < 2) return stop();
  if (at >= pictures.length - 1) at = 0;
  playing = true;
  label();
  requestAnimationFrame((time) => { last = time; step(time); });
  return undefined;
}
/** Stand at a picture. */
export function goTo(place) {
  stop();
  at = place;
  moved();
}

export function start(pictureChanged) {
  onPicture = pictureChanged;
  button.addEventListener("click", toggle);
  canvas.addEventListener("click", toggle);
  scrub.addEventListener("input", () => { stop(); at = Number(scrub.value); moved(); });
  scrub.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: Math.ceil(at) - 1, ArrowDown: Math.ceil(at) - 1, ArrowRight: Math.floor(at) + 1, ArrowUp: Math.floor(at) + 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    goTo(Math.max(0, Math.min(pictures.length - 1, to)));
  });
  new ResizeObserver(draw).observe(canvas);
  label();
}
