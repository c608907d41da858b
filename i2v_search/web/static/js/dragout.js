// What a picture is to other programs that it is dragged into: the original file, its address, the picture itself.

import * as api from "./api.js";
import { isText, fileName, known, large, original, uploaded } from "./reference.js";
import { selected } from "./selection.js";

const absolute = (address) => new URL(address, document.baseURI).href;
const inert = document.implementation.createHTMLDocument(""); // where a picture is written down and not loaded
let archive = { of: "", address: "" }; // of the pictures selected, when it is known

/** What is dragged with a picture: it alone, or all that are selected with it. */
export const together = (key) => (selected().has(key) ? [...selected()] : [key]);

/** Learn where the archive of several pictures is, before they are dragged. */
async function prepare(event) {
  const keys = together(event.target.closest?.("[data-key]")?.dataset.key ?? "");
  if (keys.length < 2 || archive.of === keys.join()) return;
  try {
    const { key } = await api.select(keys);
    archive = { of: keys.join(), address: api.selectionAddress(key, "zip") };
  } catch { /* the picture is dragged alone */ }
}

/** Give what is dragged to other programs, too. */
export function offerOutside(transfer, key) {
  if (isText(key) || uploaded(key)) return;
  const keys = together(key), path = known(key).path ?? "";
  const [name, file] = keys.length > 1 && archive.of === keys.join()
    ? ["pictures.zip", archive.address] : [fileName(path).replace(/[:/\\]/g, "_") || "picture", original(key)];
  transfer.setData("DownloadURL", `application/octet-stream:${name}:${absolute(file)}`);
  transfer.setData("text/uri-list", keys.map((each) => absolute(original(each))).join("\r\n"));
  const shown = keys.map((each) => Object.assign(inert.createElement("img"), { src: absolute(large(each)), alt: known(each).path ?? "" }));
  transfer.setData("text/html", shown.map((image) => image.outerHTML).join(""));
}

export const start = () => addEventListener("pointerdown", prepare, { passive: true });
