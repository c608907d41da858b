// A list that the browser keeps between visits, for one collection. What another page or hand left in its place is
// passed over; where the browser keeps nothing, the list lasts as long as the page.

const LONGEST_QUERY = 8000, LONGEST_LABEL = 200, LARGEST = 1_000_000;
let place = null;

/** From now on lists are those of this collection; before, they are empty. */
export const setCollection = (name) => { place = name; };

const usable = (entry) =>
  typeof entry?.query === "string" && entry.query.startsWith("?") && entry.query.length <= LONGEST_QUERY
  && typeof entry.label === "string" && entry.label.trim() !== "";

const search = (entry) => (usable(entry) ? { query: entry.query, label: entry.label.trim().slice(0, LONGEST_LABEL) } : null);

/**
 * A list of at most so many entries, newest first. `checked` gives an entry as it is used, or null for what is none; without it
 * they are searches, {query, label}.
 */
export function keptList(name, most, checked = search) {
  let held = []; // where the browser keeps nothing
  const key = () => `i2v-search.${name}.${place}`;
  function read() {
    if (place === null) return [];
    try {
      const text = localStorage.getItem(key());
      if (text === null) return held;
      const kept = text.length <= LARGEST ? JSON.parse(text) : [];
      return Array.isArray(kept)
        ? kept.map(checked).filter(Boolean).slice(0, most)
        : [];
    } catch {
      return held;
    }
  }
  function write(list) {
    held = list.slice(0, most);
    try {
      localStorage.setItem(key(), JSON.stringify(held));
    } catch { /* kept for this visit only */ }
  }
  return { read, write };
}
