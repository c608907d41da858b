// The colours that the picture shown large is made of, to be copied, or to look for pictures with one of them.

import { dominant } from "./colours.js";
import { get, h, name } from "./dom.js";
import { announce, notify } from "./notice.js";
import { thumbnail } from "./reference.js";
import { change } from "./state.js";
import { TEXT, say } from "./strings.js";

const COLOURS = 6, SIDE = 128; // pixels that are looked at
let shown = "", chosen = "";

/** The pixels of a loaded picture, made small. */
function pixelsOf(picture) {
  const scale = Math.min(1, SIDE / Math.max(picture.naturalWidth, picture.naturalHeight));
  const canvas = h("canvas", { width: Math.max(1, Math.round(picture.naturalWidth * scale)), height: Math.max(1, Math.round(picture.naturalHeight * scale)) });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingEnabled = scale < 1;
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height).data;
}

/** A colour was picked: copy it, and offer what can be done with it. */
export async function pick(colour) {
  chosen = colour;
  get("colour-line").hidden = false;
  get("colour-dot").style.background = colour;
  get("colour-value").textContent = colour;
  try {
    await navigator.clipboard.writeText(colour);
    announce(say(TEXT.look.colourCopied, colour));
  } catch {
    notify(say(TEXT.look.colourNotCopied, colour), "info");
  }
}

function swatch(colour) {
  const button = name(h("button", { type: "button", class: "swatch", "data-colour": colour }), say(TEXT.look.copyColour, colour));
  button.style.background = colour;
  button.addEventListener("click", () => pick(colour));
  return h("li", {}, button);
}

/** Show the colours of another picture, or none. */
export function show(key) {
  shown = key;
  chosen = "";
  get("colour-line").hidden = true;
  get("palette-part").hidden = true;
  if (!key) return;
  const picture = new Image();
  picture.addEventListener("load", () => {
    if (shown !== key) return;
    get("palette").replaceChildren(...dominant(pixelsOf(picture), COLOURS).map(swatch));
    get("palette-part").hidden = false;
  });
  picture.src = thumbnail(key, 320);
}

export function start() {
  get("colour-find").addEventListener("click", () => change({ colour: chosen, image: "", view: "grid" }));
}
