// The filter by colour: swatches of common colours, and any other.

import { get, h, name } from "./dom.js";
import { change, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";

const SWATCHES = [
  ["red", "#d62828"], ["orange", "#f3722c"], ["yellow", "#f9c74f"], ["green", "#43aa4b"], ["teal", "#2a9d8f"], ["blue", "#2f6fde"],
  ["violet", "#7b4bc9"], ["pink", "#f28ab2"], ["brown", "#7f5539"], ["skin", "#e8beac"], ["white", "#ffffff"], ["grey", "#8d8d8d"], ["black", "#111111"],
];

function swatch([which, colour]) {
  const button = name(h("button", { type: "button", class: "hue", "data-colour": colour }), say(TEXT.colourOf, TEXT.colours[which]));
  button.style.setProperty("--hue", colour);
  button.addEventListener("click", () => change({ colour: state().colour === colour ? "" : colour }));
  return button;
}

function show({ colour }) {
  const own = Boolean(colour) && !SWATCHES.some(([, each]) => each === colour);
  for (const each of get("swatches").querySelectorAll(".hue")) each.setAttribute("aria-pressed", String(each.dataset.colour === colour));
  get("colour-field").classList.toggle("own", own);
  if (colour) get("colour").value = colour;
}

export function start() {
  get("swatches").replaceChildren(...SWATCHES.map(swatch));
  get("colour").addEventListener("change", () => change({ colour: get("colour").value }));
  subscribe(show);
}
