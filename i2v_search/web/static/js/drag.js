// Pictures in the hand: what is dragged within the page, and elements that take pictures and files.

import { offerOutside } from "./dragout.js";

const KIND = "application/x-i2v-search-key";
const root = document.documentElement;

/** Let pictures be dragged out of an element whose descendants with `data-key` show them. */
export function giveKeys(container) {
  container.addEventListener("dragstart", (event) => {
    const source = event.target.closest?.("[data-key]");
    if (!source) return;
    event.dataTransfer.setData(KIND, source.dataset.key);
    offerOutside(event.dataTransfer, source.dataset.key);
    event.dataTransfer.effectAllowed = "copyLink";
    const picture = source.querySelector("img");
    if (picture) event.dataTransfer.setDragImage(picture, Math.min(60, picture.width / 2), Math.min(60, picture.height / 2));
    root.classList.add("dragging");
  });
  container.addEventListener("dragend", () => root.classList.remove("dragging"));
}

export const holdsKey = (event) => event.dataTransfer.types.includes(KIND);
/** The key of the picture that was dropped, or "". */
export const droppedKey = (event) => event.dataTransfer.getData(KIND);
export const holdsFiles = (event) => event.dataTransfer.types.includes("Files");

/** Take pictures and files that are dropped onto an element; `take` gets their keys or files, and the event. */
export function takeDrops(element, take) {
  let inside = 0;
  const mark = (on) => element.classList.toggle("over", on);
  element.addEventListener("dragenter", (event) => {
    if (!holdsKey(event) && !holdsFiles(event)) return;
    inside += 1;
    mark(true);
  });
  element.addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) mark(false);
  });
  element.addEventListener("dragover", (event) => {
    if (!holdsKey(event) && !holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  element.addEventListener("drop", (event) => {
    inside = 0;
    mark(false);
    if (!holdsKey(event) && !holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const key = droppedKey(event);
    root.classList.remove("dragging", "receiving");
    take({ key, files: [...event.dataTransfer.files], event });
  });
}
