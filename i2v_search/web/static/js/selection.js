// Pictures that are selected, in the order in which they were; they stay selected when others are shown.

const MOST = 5000; // as the server takes at a time
const chosen = new Set(), listeners = [];
let anchor = ""; // where a range begins

export const selected = () => chosen;
/** Be told of every change. */
export const whenSelected = (listener) => listeners.push(listener);

const tell = () => listeners.forEach((listener) => listener(chosen));

/** Select pictures besides those that are; returns how many there was no room for. */
export function add(keys) {
  let left = 0;
  for (const key of keys) {
    if (chosen.has(key)) continue;
    if (chosen.size < MOST) chosen.add(key);
    else left += 1;
  }
  tell();
  return left;
}
/** Select a picture, or no longer; a range may begin there. */
export function toggle(key, on = !chosen.has(key)) {
  anchor = key;
  if (on) return add([key]);
  chosen.delete(key);
  return tell();
}
/** Select all from where the range begins to a picture, as they stand in `keys`. */
export function extend(key, keys) {
  const from = keys.indexOf(anchor), to = keys.indexOf(key);
  if (from < 0 || to < 0) return toggle(key, true);
  return add(from <= to ? keys.slice(from, to + 1) : keys.slice(to, from + 1).reverse());
}
/** Select these and no others. */
export function replace(keys) {
  chosen.clear();
  return add(keys);
}
/** Let a range begin at a picture. */
export const begin = (key) => { if (!anchor || !chosen.has(anchor)) anchor = key; };
export function clear() {
  chosen.clear();
  anchor = "";
  tell();
}
