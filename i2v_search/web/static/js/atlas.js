// Sprite sheets of the map: loaded a few at a time as they are needed, and asked about while they are made.

import * as api from "./api.js";

const AT_ONCE = 4, EVERY = 2000; // sheets that load at once; milliseconds until it is asked again how far they are
const MOST = 48; // sheets of large sprites that are kept
const TRIES = 2;
const CELL = 16; // pixels of a sprite that its mean colour is taken from

/** Width and height of a sprite, as the server cuts it. */
export function spriteSize(ratio, side) {
  const fit = (share) => Math.max(1, Math.floor(Math.min(1, share) * side + 0.5));
  return [fit(ratio), fit(1 / ratio)];
}

/**
 * The sheets of a map. `arrived` is called whenever one came, `told` with how far they are.
 * `wanted` says whether somebody looks at the map: only then is anything asked for.
 */
export function atlas(key, ratios, { arrived, told, wanted }) {
  const colours = new Uint32Array(ratios.length); // mean colour of each picture, as canvases hold it; 0 while unknown
  const sheets = new Map(); // "side/number" -> ImageBitmap, or null while it loads
  const tries = new Map();
  let levels = [], queue = [], loading = 0, asking = false, over = false;

  const level = (side) => levels.find((each) => each.side === side);
  const place = (at, { side, across }) => {
    const number = Math.floor(at / (across * across)), cell = at % (across * across);
    return { number, name: `${side}/${number}`, left: (cell % across) * side, top: Math.floor(cell / across) * side };
  };

  /** Ask how far the sheets are, until all are there that will be. */
  async function ask() {
    if (asking || over) return;
    asking = true;
    try {
      for (;;) {
        const answer = await api.atlas(key);
        levels = answer.levels.map((each) => ({ ...each, ready: new Set(each.ready) }));
        told(answer);
        arrived();
        if (!answer.making) break;
        await new Promise((resolve) => { setTimeout(resolve, EVERY); });
        if (over || !wanted()) break; // whoever comes back to the map asks again
      }
    } catch {
      told(null); // the pictures that are there stay; others are dots
    } finally {
      asking = false;
    }
  }

  async function load(name) {
    const [side, number] = name.split("/").map(Number);
    loading += 1;
    sheets.set(name, null);
    tries.set(name, (tries.get(name) ?? 0) + 1);
    try {
      const sheet = await createImageBitmap(await api.sheet(key, name));
      if (over) return;
      sheets.set(name, sheet);
      tries.delete(name);
      colour(sheet, level(side), number);
      forget(side);
      arrived();
    } catch {
      sheets.delete(name);
      level(side)?.ready.delete(number); // until it is asked again
      if (!over && tries.get(name) < TRIES) ask();
    } finally {
      loading -= 1;
      go();
    }
  }
  function forget(side) {
    if (side === levels[0].side) return;
    const kept = [...sheets.keys()].filter((name) => name.startsWith(`${side}/`) && sheets.get(name));
    for (const name of kept.slice(0, -MOST)) {
      sheets.get(name).close();
      sheets.delete(name);
    }
  }
  function go() {
    while (loading < AT_ONCE && queue.length) {
      const name = queue.shift();
      if (!sheets.has(name)) load(name);
    }
  }
  /** Learn the mean colours of the pictures of a sheet. */
  function colour(sheet, { side, across }, number) {
    const scale = CELL / side, first = number * across * across;
    const canvas = new OffscreenCanvas(across * CELL, Math.round(sheet.height * scale));
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(sheet, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    for (let cell = 0; cell < across * across && first + cell < ratios.length; cell += 1) {
      if (colours[first + cell]) continue;
      const [width, height] = spriteSize(ratios[first + cell], CELL);
      const left = (cell % across) * CELL, top = Math.floor(cell / across) * CELL, sum = [0, 0, 0];
      for (let y = top; y < top + height; y += 1) {
        for (let x = left; x < left + width; x += 1) {
          const at = (y * canvas.width + x) * 4;
          for (let channel = 0; channel < 3; channel += 1) sum[channel] += pixels[at + channel];
        }
      }
      const [red, green, blue] = sum.map((each) => Math.round(each / (width * height)));
      colours[first + cell] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    }
  }

  return {
    colours,
    ask,
    /** A picture's part of a sheet for that many pixels, or of the next best one: [sheet, left, top, width, height]. */
    sprite(at, pixels) {
      const order = levels.length && pixels > levels[0].side * 1.25 ? [...levels].reverse() : levels;
      for (const each of order) {
        const { name, left, top } = place(at, each), sheet = sheets.get(name);
        if (sheet) return [sheet, left, top, ...spriteSize(ratios[at], each.side)];
      }
      return null;
    },
    /** Load the sheets of these pictures for that many pixels, and forget what was wanted before and not begun. */
    want(pictures, pixels) {
      if (!levels.length) return;
      const large = pixels > levels[0].side * 1.25, names = new Map();
      // Large sprites stand in for small ones only where they are few: a whole collection of them is hundreds of sheets.
      const small = ratios.length <= levels[0].across ** 2 ? levels : levels.slice(0, 1);
      for (const at of pictures) {
        for (const each of large ? [...levels].reverse() : small) {
          const { name, number } = place(at, each);
          if (!each.ready.has(number) || (tries.get(name) ?? 0) >= TRIES) continue;
          names.set(name, (names.get(name) ?? 0) + 1);
          break;
        }
      }
      queue = [...names.keys()].filter((name) => !sheets.has(name)).sort((one, two) => names.get(two) - names.get(one));
      for (const name of names.keys()) {
        const sheet = sheets.get(name); // those in sight are forgotten last
        if (sheet) {
          sheets.delete(name);
          sheets.set(name, sheet);
        }
      }
      go();
    },
    close() {
      over = true;
      for (const sheet of sheets.values()) sheet?.close();
      sheets.clear();
    },
  };
}
