// Files that the browser saves, and what it puts on the clipboard.

import { h } from "./dom.js";
import { announce, notify } from "./notice.js";
import { TEXT } from "./strings.js";

/** Save what is at an address of this server under the name that the server gives it. */
export function save(address, name = "") {
  h("a", { href: address, download: name }).click();
}

/** Put something on the clipboard; says how it went. `write` does it. */
async function copy(write, said, refused) {
  try {
    await write();
    announce(said);
    notify(said);
    return true;
  } catch (failure) {
    notify(failure.status !== undefined ? failure.message : refused, "error", 5);
    return false;
  }
}

export const copyText = async (text, said) =>
  copy(async () => navigator.clipboard.writeText(await text), said, TEXT.notCopied);

/** Copy a picture as PNG, which is what programs take from the clipboard; from the first address that shows one. */
export const copyPicture = (addresses) =>
  copy(() => navigator.clipboard.write([new ClipboardItem({ "image/png": png(addresses) })]), TEXT.take.copied, TEXT.take.notCopied);

async function png(addresses) {
  for (const address of addresses) {
    try {
      const picture = await createImageBitmap(await (await fetch(address)).blob());
      const canvas = new OffscreenCanvas(picture.width, picture.height);
      canvas.getContext("2d").drawImage(picture, 0, 0);
      return await canvas.convertToBlob({ type: "image/png" });
    } catch { /* of a kind that no browser shows: the next address has another */ }
  }
  throw new Error(TEXT.take.notCopied);
}
