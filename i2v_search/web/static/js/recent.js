// The last searches, offered again in the empty search field.

import { describe } from "./describe.js";
import { keptList } from "./keptlist.js";
import { imageOf, isText, uploaded } from "./reference.js";
import { filtering, searchQuery, searchWith } from "./state.js";
import { TEXT } from "./strings.js";

const MOST = 20;
const list = keptList("recent", MOST);

/** Whether a search can be found again later: the server keeps images of one's own only for a while. */
export const lasting = ({ like, unlike }) => ![...like, ...unlike].some((key) => uploaded(imageOf(key)));

/** Note a search that something was typed or chosen for; where one only pressed a picture, Back returns to it. */
export function note(now) {
  const said = filtering(now) || [...now.like, ...now.unlike].some(isText);
  if (!said || !lasting(now)) return;
  const query = searchQuery(now);
  list.write([{ query, label: describe(now) }, ...list.read().filter((entry) => entry.query !== query)]);
}

/** The last searches as offers of the search field. */
export function offers() {
  const section = TEXT.sections.recent, entries = list.read();
  const rows = entries.map(({ query, label }) => ({ section, sign: "clock", text: label, patch: () => searchWith(query) }));
  const forget = { section, sign: "bin", text: TEXT.forgetRecent, patch: () => { list.write([]); return {}; } };
  return rows.length ? [...rows, forget] : [];
}
