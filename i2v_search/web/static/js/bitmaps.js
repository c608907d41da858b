// Pictures for a canvas, each as large as it is shown: small ones first, few loaded at a time, and bounded memory.

import * as api from "./api.js";
import { known, large, thumbnail } from "./reference.js";

const AT_ONCE = 6, MOST = 192e6; // loaded at the same time; bytes of memory
const SIDES = [160, 320, 640, 2048]; // pixels of the longer side that the server gives
const STRIP = 4; // of one that is longer, small pictures show the beginning only

/** The size in which a picture is asked for that is shown with so many pixels. */
function sideFor(key, pixels) {
  const { width = 0, height = 0 } = known(key), longer = Math.max(width, height);
  if (longer > STRIP * Math.min(width, height)) return SIDES.at(-1);
  return SIDES.find((side) => side >= Math.min(pixels, longer)) ?? SIDES.at(-1);
}
const addressOf = (key, side) => (side === SIDES.at(-1) ? large(key) : thumbnail(key, side / Math.min(devicePixelRatio || 1, 2)));

/** A shelf of pictures; `arrived` is called whenever one came, or will not come. */
export function bitmaps(arrived) {
  const shelf = new Map(); // key -> { side, bitmap }, the ones wanted last at the end; without a bitmap: it cannot be shown
  let wanted = [], loading = new Set(), held = 0;

  async function load(key, side) {
    loading.add(key);
    let bitmap = null;
    try {
      bitmap = await createImageBitmap(await (await api.picture(addressOf(key, side))).blob());
    } catch { /* it is drawn as one that cannot be shown */ }
    loading.delete(key);
    put(key, side, bitmap);
    arrived();
    go();
  }
  function put(key, side, bitmap) {
    drop(key);
    shelf.set(key, { side, bitmap });
    held += bytes(bitmap);
    const needed = new Set(wanted.map(([each]) => each));
    for (const each of [...shelf.keys()]) if (held > MOST && !needed.has(each)) drop(each);
  }
  function drop(key) {
    const { bitmap = null } = shelf.get(key) ?? {};
    held -= bytes(bitmap);
    bitmap?.close();
    shelf.delete(key);
  }
  const bytes = (bitmap) => (bitmap ? bitmap.width * bitmap.height * 4 : 0);

  function go() {
    for (const [key, side] of wanted) {
      if (loading.size >= AT_ONCE) return;
      const there = shelf.get(key);
      const fits = there && (!there.bitmap || (there.side >= side && (there.side === side || held <= MOST)));
      if (!fits && !loading.has(key)) load(key, side);
    }
  }
  return {
    /** The picture of a key, null if it cannot be shown, undefined if it has not come. */
    get: (key) => shelf.get(key)?.bitmap,
    /** Ask for pictures, as [key, pixels of the longer side] each; what was asked for before and not begun is forgotten. */
    want(pictures) {
      wanted = pictures.map(([key, pixels]) => [key, sideFor(key, pixels)]);
      for (const [key] of wanted) {
        const there = shelf.get(key);
        if (there && shelf.delete(key)) shelf.set(key, there);
      }
      go();
    },
    clear() {
      wanted = [];
      for (const key of [...shelf.keys()]) drop(key);
    },
  };
}
