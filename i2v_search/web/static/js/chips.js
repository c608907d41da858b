// Tags of the pictures shown, with how many have each: press to keep only those, or to leave them out.

import * as api from "./api.js";
import { get, h, name } from "./dom.js";
import { icon } from "./icons.js";
import { change, filtering, searching, state, toggleTag } from "./state.js";
import { TEXT, say } from "./strings.js";
import { parseTag, writeTag } from "./tagquery.js";

const MOST = 40;
let asking = null;

/** Show the tags of an answer; they stay with it, for when one comes back to it. */
async function load(answer) {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const now = state();
  if (!answer.tags) draw([]); // those there are of other pictures
  try {
    const filtered = searching(now) || filtering(now);
    answer.tags ??= await (filtered ? api.tagCounts(now, signal) : api.tagsLike("", MOST, signal));
    draw(answer.tags);
  } catch (failure) {
    if (failure.name !== "AbortError") draw([]);
  }
}

function draw(tags) {
  const used = new Set(state().tags.map((tag) => parseTag(tag).name));
  const rows = tags.filter((tag) => !used.has(tag.name) && tag.category !== "rating").slice(0, MOST).map((tag) => {
    const keep = h("button", { type: "button", class: "keep", "aria-label": say(TEXT.includeTag, tag.name, tag.count) },
      tag.name, h("span", { class: "count" }, tag.count.toLocaleString()));
    keep.addEventListener("click", () => change(toggleTag(writeTag(tag.name))));
    const out = name(h("button", { type: "button", class: "out" }, icon("minus")), say(TEXT.excludeTag, tag.name));
    out.addEventListener("click", () => change(toggleTag(writeTag(tag.name, true))));
    return h("li", { class: "chip" }, keep, out);
  });
  get("chips").replaceChildren(...rows);
  get("chips").scrollLeft = 0;
  edges();
}

/** Fade out the sides where more chips are. */
function edges() {
  const { scrollLeft, clientWidth, scrollWidth } = get("chips");
  get("chips").classList.toggle("more-left", scrollLeft > 4);
  get("chips").classList.toggle("more-right", scrollLeft + clientWidth < scrollWidth - 4);
}

export function start(whenShown) {
  whenShown(load);
  get("chips").addEventListener("scroll", edges, { passive: true });
  new ResizeObserver(edges).observe(get("chips"));
}
