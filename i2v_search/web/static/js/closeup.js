// The true pixels of a picture, in parts that are asked for where the large picture is not sharp enough.

import { h } from "./dom.js";
import { region } from "./reference.js";

const SIDE = 1024; // pixels of a part as it is sent
const LARGE = 2048; // pixels of the longer side of the large picture
const REST = 90; // milliseconds without a change before parts are asked for
const MOST = 24; // parts at once

/** Parts of the picture in `holder`, as the lens sees it; `mirrored` says whether it is flipped. */
export function closeup(holder, glass, mirrored) {
  let key = "", waiting = 0, level = -1, paused = false;
  const parts = new Map(); // address -> image

  function clear() {
    clearTimeout(waiting);
    for (const part of parts.values()) part.remove();
    parts.clear();
    level = -1;
  }
  /** The halvings after which the picture is as sharp as the screen; -1 where the large picture is. */
  function wanted() {
    const { scale, width, height } = glass.view;
    const dense = scale * (devicePixelRatio || 1);
    if (scale < 1 && dense <= 1.05 * Math.min(1, LARGE / Math.max(width, height))) return -1;
    return Math.max(0, Math.floor(Math.log2(1 / dense) + 0.01));
  }
  function ask() {
    const next = paused || !key ? -1 : wanted();
    if (next < 0) return clear();
    const { width, height } = glass.view, side = SIDE << next;
    let [left, top, right, bottom] = glass.seen();
    if (mirrored()) [left, right] = [width - right, width - left];
    const asked = [];
    for (let y = Math.floor(top / side) * side; y < bottom; y += side) {
      for (let x = Math.floor(left / side) * side; x < right; x += side) asked.push([x, y, Math.min(side, width - x), Math.min(side, height - y)]);
    }
    const addresses = new Set();
    for (const box of asked.slice(0, MOST)) {
      const address = region(key, box);
      addresses.add(address);
      if (!parts.has(address)) add(address, box);
    }
    level = next;
    drop(addresses);
    return undefined;
  }
  function add(address, [x, y, wide, tall]) {
    const { width, height } = glass.view;
    const part = h("img", { alt: "", draggable: "false", class: "closeup" });
    const share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(part.style, { left: share(x, width), top: share(y, height), width: share(wide, width), height: share(tall, height) });
    part.addEventListener("error", () => part.remove());
    part.addEventListener("load", () => { part.classList.add("there"); drop(null); });
    part.src = address;
    parts.set(address, part);
    holder.append(part);
  }
  let near = new Set();
  /** Take away what is out of sight or less sharp, once what is wanted is there. */
  function drop(addresses) {
    near = addresses ?? near;
    if (level < 0 || [...near].some((address) => !parts.get(address)?.complete)) return;
    for (const [address, part] of parts) {
      if (near.has(address)) continue;
      part.remove();
      parts.delete(address);
    }
  }
  return {
    /** Another picture, or none. */
    show(image) {
      clear();
      key = image;
    },
    /** The lens moved. */
    look() {
      clearTimeout(waiting);
      waiting = setTimeout(ask, REST);
    },
    /** Frames of an animation are shown over it. */
    pause(on) {
      paused = on;
      if (on) clear();
      else ask();
    },
  };
}
