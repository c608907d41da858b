// How the grid looks: the size of its pictures, and whether their names stand below. The browser remembers both.

import { get } from "./dom.js";
import * as grid from "./grid.js";
import { TEXT, say } from "./strings.js";

const NAME = "i2v-search.tiles", USUAL = 100; // per cent

function kept() {
  try {
    const { size, names } = JSON.parse(localStorage.getItem(NAME)) ?? {};
    return { size: size >= 50 && size <= 200 ? size : USUAL, names: names === true };
  } catch {
    return { size: USUAL, names: false };
  }
}

function show({ size, names }) {
  get("tile-size").value = size;
  get("tile-size").setAttribute("aria-valuetext", say(TEXT.percent, size));
  get("tile-names").checked = names;
  get("grid").classList.toggle("named", names);
  grid.look({ scale: size / 100, names });
}

function changed() {
  const look = { size: Number(get("tile-size").value), names: get("tile-names").checked };
  try { localStorage.setItem(NAME, JSON.stringify(look)); } catch { /* kept for this visit only */ }
  show(look);
}

export function start() {
  show(kept());
  get("tile-size").addEventListener("input", changed);
  get("tile-names").addEventListener("change", changed);
}
