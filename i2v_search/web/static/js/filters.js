// Rating, least score, how different from one another the results are to be, and whether copies are shown.

import { get, h } from "./dom.js";
import { change, searching, state, subscribe } from "./state.js";
import { TEXT } from "./strings.js";

export function setRatings(names) {
  get("rating").replaceChildren(
    h("option", { value: "" }, TEXT.anyRating), ...names.map((each) => h("option", { value: each }, each)));
  get("rating-field").hidden = !names.length && !state().rating;
  get("rating").value = state().rating;
  get("filters-button").hidden = [...get("filters").children].every((field) => field.hidden);
}

const least = () => (Number(get("min").value) > 0 ? Number(get("min").value) : null);

function label() {
  get("min-value").textContent = least() === null ? TEXT.anyScore : least().toFixed(2);
  const different = Number(get("different").value);
  get("different-value").textContent = different ? `${different * 10} %` : TEXT.notDiverse;
  get("min").setAttribute("aria-valuetext", get("min-value").textContent);
  get("different").setAttribute("aria-valuetext", get("different-value").textContent);
}

export function start() {
  get("rating").addEventListener("change", () => change({ rating: get("rating").value }));
  get("min").addEventListener("input", label);
  get("different").addEventListener("input", label);
  get("min").addEventListener("change", () => change({ min: least() }, { replace: true }));
  get("different").addEventListener("change", () => change({ different: Number(get("different").value) }, { replace: true }));
  get("copies").addEventListener("change", () => change({ copies: get("copies").checked ? "1" : "" }, { replace: true }));
  get("filters-button").addEventListener("click", () => {
    const open = get("filters").classList.toggle("open");
    get("filters-button").setAttribute("aria-expanded", String(open));
  });
  subscribe((now) => {
    get("rating").value = now.rating;
    get("min").value = now.min ?? 0;
    get("different").value = now.different;
    get("copies").checked = Boolean(now.copies);
    get("copies-field").hidden = !searching(now);
    get("min-field").hidden = !searching(now) && now.min === null;
    get("different-field").hidden = !now.like.length && !now.unlike.length;
    get("filters-button").hidden = [...get("filters").children].every((field) => field.hidden);
    const set = Number(Boolean(now.rating)) + Number(now.min !== null) + Number(now.different > 0) + Number(Boolean(now.copies));
    get("filters-count").textContent = set || "";
    label();
  });
}
