// Thumbnails for the map: loaded a few at a time, the ones asked for last first, the oldest forgotten.

import { thumbnail } from "./reference.js";

const AT_ONCE = 6, MOST = 200;

/** A shelf of small pictures; `arrived` is called whenever one came. */
export function thumbs(arrived) {
  const kept = new Map(); // key -> ImageBitmap, or null where there is none
  let wanted = [], loading = 0;

  async function load(key) {
    loading += 1;
    kept.set(key, null);
    try {
      const response = await fetch(thumbnail(key, 80));
      if (response.ok) kept.set(key, await createImageBitmap(await response.blob()));
      else if (response.status === 429 || response.status === 503) setTimeout(() => kept.delete(key), 2000);
    } catch {
      setTimeout(() => kept.delete(key), 5000);
    }
    loading -= 1;
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
    arrived();
    go();
  }
  function go() {
    while (loading < AT_ONCE && wanted.length) {
      const key = wanted.shift();
      if (!kept.has(key)) load(key);
    }
  }
  return {
    get: (key) => kept.get(key),
    /** Load these, first ones first; what was asked for before and not begun is forgotten. */
    want(keys) {
      wanted = keys.filter((key) => !kept.has(key));
      go();
    },
  };
}
