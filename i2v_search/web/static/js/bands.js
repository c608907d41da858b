// The bands under the headline that a button opens: filters, and saved searches. One at a time.

import { get } from "./dom.js";

const BANDS = ["filters", "saved"];

/** Open a band, or close it; the others close. */
function toggle(band, open = get(band).hidden) {
  for (const each of BANDS) {
    get(each).hidden = each !== band || !open;
    get(`${each}-button`).setAttribute("aria-expanded", String(!get(each).hidden));
  }
}

export function start() {
  for (const band of BANDS) {
    get(`${band}-button`).addEventListener("click", () => toggle(band));
    get(band).addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      toggle(band, false);
      get(`${band}-button`).focus();
    });
  }
}
