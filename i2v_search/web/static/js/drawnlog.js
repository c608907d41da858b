// What was drawn in timed practice: when, which pictures, for how long. It stays in this browser.

import { keptList } from "./keptlist.js";
import { isImage } from "./reference.js";

const MOST = 200, MOST_PICTURES = 500;
const whole = (value) => Number.isFinite(value) && value >= 0;

/** An entry as it was written, or null. */
function checked(entry) {
  if (!whole(entry?.at) || !Array.isArray(entry.pictures)) return null;
  const pictures = entry.pictures.slice(0, MOST_PICTURES)
    .filter((each) => typeof each?.key === "string" && isImage(each.key) && whole(each.seconds))
    .map(({ key, seconds }) => ({ key, seconds }));
  return pictures.length ? { at: entry.at, pictures } : null;
}
const list = keptList("drawn", MOST, checked);

/** All entries, newest first: {at, pictures: [{key, seconds}]}; `at` is when it began, in milliseconds. */
export const read = list.read;
/** Write what has been drawn since `at`, in place of what was written of it before. */
export const write = (entry) => list.write([entry, ...list.read().filter(({ at }) => at !== entry.at)]);
export const forget = () => list.write([]);
export const secondsOf = ({ pictures }) => pictures.reduce((sum, { seconds }) => sum + seconds, 0);
