// The eyedropper: tells and copies the colour of the pixel under the pointer, or under a cross that keys move.

import { hex } from "./colours.js";
import { get, h } from "./dom.js";
import { announce } from "./notice.js";
import { pick } from "./palette.js";
import { region, uploaded } from "./reference.js";
import * as stage from "./stage.js";
import { state } from "./state.js";
import { TEXT } from "./strings.js";

const FAR = 10; // pixels that Shift moves the cross by
const port = get("viewport"), cross = get("picker");
const canvas = h("canvas", { width: 1, height: 1 }), pen = canvas.getContext("2d", { willReadFrequently: true });
let on = false, at = [0, 0]; // pixel of the picture as it is shown

/** The pixel in the picture itself, which may be shown as in a mirror. */
const inPicture = ([x, y]) => [stage.isFlipped() ? stage.glass.view.width - 1 - x : x, y];

/** Of a picture, the colour at shares of its sides. */
function colourOf(picture, across, down) {
  const along = (share, side) => Math.min(side - 1, Math.floor(share * side));
  pen.clearRect(0, 0, 1, 1);
  pen.drawImage(picture, along(across, picture.naturalWidth), along(down, picture.naturalHeight), 1, 1, 0, 0, 1, 1);
  return hex(...pen.getImageData(0, 0, 1, 1).data.slice(0, 3));
}
/** The colour as far as it is loaded: of a frame of an animation, or the large picture. */
function shownColour() {
  const [x, y] = inPicture(at), { width, height } = stage.glass.view;
  const picture = get("frame").querySelector("img") ?? get("large");
  return picture.naturalWidth ? colourOf(picture, (x + 0.5) / width, (y + 0.5) / height) : "";
}
/** The colour of the pixel of the original. */
async function trueColour() {
  const key = state().image;
  if (uploaded(key) || get("frame").childElementCount) return shownColour();
  const pixel = new Image();
  pixel.src = region(key, [...inPicture(at), 1, 1]);
  try {
    await pixel.decode();
  } catch {
    return shownColour();
  }
  return colourOf(pixel, 0, 0);
}

function place([x, y]) {
  const { width, height, scale, x: midX, y: midY } = stage.glass.view;
  at = [Math.min(width - 1, Math.max(0, Math.floor(x))), Math.min(height - 1, Math.max(0, Math.floor(y)))];
  const colour = shownColour();
  cross.style.left = `${(at[0] + 0.5 - midX) * scale + port.clientWidth / 2}px`;
  cross.style.top = `${(at[1] + 0.5 - midY) * scale + port.clientHeight / 2}px`;
  get("picker-dot").style.background = colour;
  get("picker-value").textContent = colour;
}
const take = async () => { const colour = await trueColour(); if (colour) await pick(colour); };

export function toggle() {
  set(!on);
  announce(TEXT.look.picking[Number(on)]);
}
function set(wanted) {
  on = wanted && stage.glass.view.width > 0;
  port.classList.toggle("picking", on);
  cross.hidden = !on;
  get("look-pick").setAttribute("aria-pressed", String(on));
  if (on) place([stage.glass.view.x, stage.glass.view.y]);
}
export const clear = () => set(false);

/** What a key does while a colour is picked, or undefined. */
export function keyed(event) {
  if (event.key.toLowerCase() === "e") return toggle;
  if (!on) return undefined;
  const far = event.shiftKey ? FAR : 1;
  const way = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
  if (way) return () => { place([at[0] + way[0], at[1] + way[1]]); announce(get("picker-value").textContent); };
  if (event.key === "Enter" && !event.target.closest("button, a")) return take;
  return event.key === "Escape" ? toggle : undefined;
}

export function start() {
  get("look-pick").addEventListener("click", toggle);
  port.addEventListener("pointermove", (event) => { if (on) place(stage.glass.under(event.clientX, event.clientY)); });
  port.addEventListener("pointerdown", (event) => {
    if (!on || event.button || event.target.closest("button")) return;
    event.preventDefault();
    event.stopPropagation(); // neither a box nor a move
    place(stage.glass.under(event.clientX, event.clientY));
    take();
  }, { capture: true });
  stage.whenMoved(() => { if (on) place([at[0] + 0.5, at[1] + 0.5]); });
}
