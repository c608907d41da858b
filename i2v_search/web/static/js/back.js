// A server that does not answer is asked, now and then, whether it is back; what waits for it then goes on.

import * as api from "./api.js";

const FIRST = 1000, LONGEST = 10_000; // milliseconds between questions
const waiting = new Set();
let asking = false;

/** Call `again` once the server answers. */
export function whenBack(again) {
  waiting.add(again);
  if (!asking) ask(FIRST);
}
async function ask(pause) {
  asking = true;
  await new Promise((done) => { setTimeout(done, pause); });
  const back = waiting.size && (await api.health().then(() => true, () => false));
  asking = false;
  if (back) {
    const now = [...waiting];
    waiting.clear();
    for (const again of now) again();
  } else if (waiting.size) ask(Math.min(LONGEST, 2 * pause));
}
