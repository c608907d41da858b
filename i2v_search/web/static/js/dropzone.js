// Images from outside: dropped anywhere, pasted, or chosen.

import { get } from "./dom.js";
import { holdsFiles, takeDrops } from "./drag.js";
import { notify } from "./notice.js";
import { change, searchFrom, setSlot, state } from "./state.js";
import { TEXT, say } from "./strings.js";
import { receive } from "./uploads.js";

const MOST = 8; // images at a time
let purpose = "search"; // what the next chosen file is for: "search", "a" or "b"

/** Ask for a file: to search from it, or as an end of the morph. */
export function choose(what = "search") {
  purpose = what;
  get("file").value = "";
  get("file").click();
}

/** Send files and search from them: the first alone, several as examples. */
async function searchFromFiles(files) {
  const keys = await receiveAll(files);
  if (!keys.length) return;
  change({ ...searchFrom(keys[0]), like: keys });
  if (keys.length > 1) notify(say(TEXT.manyDropped, keys.length));
}

/** Send a file and take it as an end of the morph. */
export async function slotFromFiles(slot, files) {
  const [key] = await receiveAll(files.slice(0, 1));
  if (key) change(setSlot(slot, key));
}

async function receiveAll(files) {
  const keys = [];
  for (const file of files.slice(0, MOST)) {
    const key = await receive(file);
    if (key && !keys.includes(key)) keys.push(key);
  }
  return keys;
}

export function start() {
  get("choose").addEventListener("click", () => choose());
  get("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    if (!files.length) return;
    if (purpose === "search") searchFromFiles(files);
    else slotFromFiles(purpose, files);
  });

  const root = document.documentElement;
  let inside = 0;
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    inside += 1;
    root.classList.add("receiving");
  });
  addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) root.classList.remove("receiving");
  });
  addEventListener("drop", () => { inside = 0; root.classList.remove("receiving", "dragging"); }, true);
  takeDrops(document.body, ({ key, files, event }) => {
    if (files.length) searchFromFiles(files);
    else if (!key && event.dataTransfer.types.includes("text/uri-list")) notify(TEXT.errors.onlyAddress, "error");
  });
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());

  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      if (state().image) change({ image: "" }, { replace: true });
      searchFromFiles(files);
    } else if (!event.target.closest?.("input, textarea")) {
      const text = event.clipboardData?.getData("text") ?? "";
      notify(/^https?:/.test(text) ? TEXT.errors.onlyAddress : TEXT.errors.nothingPasted, "error");
    }
  });
}
