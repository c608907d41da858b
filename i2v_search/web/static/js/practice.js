// Ways to see a picture afresh, for those who draw: as in a mirror, in grey, under lines. They stay while pictures are turned.

import { get } from "./dom.js";
import { drawLines, following, numberOf } from "./lines.js";
import { announce } from "./notice.js";
import * as stage from "./stage.js";
import { TEXT } from "./strings.js";

let lines = "";

function press(button, on, said) {
  get(button).setAttribute("aria-pressed", String(on));
  announce(said[Number(on)]);
}
export function flip() {
  stage.setFlipped(!stage.isFlipped());
  press("look-flip", stage.isFlipped(), TEXT.practice.flipped);
}
export function grey() {
  press("look-grey", get("detail-stage").classList.toggle("grey"), TEXT.practice.greyed);
}
export function turnLines() {
  lines = following(lines);
  draw();
  get("look-lines").setAttribute("aria-pressed", String(Boolean(lines)));
  announce(TEXT.practice.lined[numberOf(lines)]);
}

export function draw() {
  const { width, height } = stage.glass.view;
  drawLines(get("lines"), lines, width, height);
}

/** Back to the picture as it is. */
export function clear() {
  stage.setFlipped(false);
  get("detail-stage").classList.remove("grey");
  lines = "";
  draw();
  for (const button of ["flip", "grey", "lines"]) get(`look-${button}`).setAttribute("aria-pressed", "false");
}

export const keys = { f: flip, g: grey, o: turnLines };

export function start() {
  get("look-flip").addEventListener("click", flip);
  get("look-grey").addEventListener("click", grey);
  get("look-lines").addEventListener("click", turnLines);
}
