// Two pictures side by side, looked at with linked lenses; or what differs between them. The address names both.

import { title } from "./actions.js";
import * as api from "./api.js";
import { closeup } from "./closeup.js";
import { get, h } from "./dom.js";
import { lens } from "./lens.js";
import { announce } from "./notice.js";
import { known, large, remember, uploaded } from "./reference.js";
import * as stage from "./stage.js";
import { change, state, subscribe } from "./state.js";
import { TEXT, say } from "./strings.js";

let second = "", linking = false, between = false;
const place = get("detail-stage");
const glass = lens(get("viewport-b"), get("pane-b"), { moved: () => { parts.look(); link(glass, stage.glass); } });
const parts = closeup(get("closeups-b"), glass, stage.isFlipped);

/** Where one lens moves, the other follows. */
function link(leader, follower) {
  if (linking || !second || !leader.view.width || !follower.view.width) return;
  linking = true;
  follower.follow(leader);
  linking = false;
}

/** Show a picture beside the one that is shown. */
export const compareWith = (key) => change({ beside: key }, { replace: true });

async function show(key) {
  second = key;
  if (!uploaded(key) && !known(key).path) { // only the address named it
    const facts = await api.image(key).catch(() => null);
    if (second !== key) return;
    if (!facts) return compareWith("");
    remember(key, facts);
  }
  place.classList.add("two");
  for (const button of ["swap", "difference"]) get(`look-${button}`).hidden = false;
  get("look-compare").setAttribute("aria-pressed", "true");
  get("beside-name").textContent = title(key);
  const picture = h("img", { id: "large-b", alt: title(key), draggable: "false" });
  picture.addEventListener("load", () => {
    const { width = picture.naturalWidth, height = picture.naturalHeight } = known(key);
    linking = true;
    glass.size(width, height, true);
    linking = false;
    parts.show(uploaded(key) ? "" : key);
    link(stage.glass, glass);
  });
  get("large-b").replaceWith(picture);
  parts.show("");
  picture.src = large(key);
  announce(say(TEXT.compare.on, title(key)));
}

function clear() {
  second = "";
  if (between) toggleDifference();
  place.classList.remove("two");
  for (const button of ["swap", "difference"]) get(`look-${button}`).hidden = true;
  get("look-compare").setAttribute("aria-pressed", "false");
  get("large-b").removeAttribute("src");
  parts.show("");
}

/** Compare with A or B of the morph, or else with what is most similar; again, and it ends. */
export function toggle() {
  if (second) {
    compareWith("");
    return announce(TEXT.compare.off);
  }
  const { image, a, b } = state();
  const alike = [...get("similar").querySelectorAll("a[data-key]")].map((each) => each.dataset.key);
  const other = [a, b, ...alike].find((key) => key && key !== image);
  return other ? compareWith(other) : announce(TEXT.compare.none);
}

const swap = () => change({ image: second, beside: state().image }, { replace: true });
function toggleDifference() {
  between = place.classList.toggle("difference");
  get("look-difference").setAttribute("aria-pressed", String(between));
  announce(TEXT.compare.difference[Number(between)]);
}

/** What a key does here, or undefined. */
export function keyed(event) {
  if (event.key === "c") return toggle;
  return second ? { s: swap, d: toggleDifference }[event.key] : undefined;
}

export function start() {
  get("look-compare").addEventListener("click", toggle);
  get("look-swap").addEventListener("click", swap);
  get("look-difference").addEventListener("click", toggleDifference);
  stage.whenMoved(() => link(stage.glass, glass));
  subscribe((now, before) => {
    if (now.beside === before.beside) return;
    if (now.beside) show(now.beside);
    else clear();
  });
}
