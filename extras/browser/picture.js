// The bytes of a picture on a page. They are read as the page itself may read them, which needs no permission; where
// that fails, as the extension, with a permission for the picture's site. The server never fetches anything.

import { Problem } from "./server.js";
import { WORDS } from "./words.js";

const MOST = 20 * 2 ** 20; // bytes, which is what the server takes

const originOf = (address) => (/^https?:/.test(address) ? new URL(address).origin : "");

/** Ask whether the picture's site may be read, where it is another than the page's. Only right after a click. */
export function allow({ srcUrl, frameUrl, pageUrl }) {
  const origin = originOf(srcUrl);
  if (!origin || origin === originOf(frameUrl ?? pageUrl)) return Promise.resolve(true);
  return chrome.permissions.request({ origins: [`${origin}/*`] }).catch(() => false);
}

/** The picture that the menu was opened on, as a blob. */
export async function read({ srcUrl, frameId = 0 }, tab) {
  const picture = srcUrl.startsWith("data:") ? await load(srcUrl) : ((await fromPage(srcUrl, tab, frameId)) ?? (await load(srcUrl)));
  if (!picture?.size || picture.size > MOST) throw new Problem(WORDS.unreadable);
  return picture;
}

async function load(address) {
  try {
    const answer = await fetch(address, { credentials: "include" });
    return answer.ok ? await answer.blob() : null;
  } catch {
    return null;
  }
}

async function fromPage(address, tab, frameId) {
  try {
    const [{ result }] = await chrome.scripting.executeScript({
      target: { tabId: tab.id, frameIds: [frameId] }, func: inPage, args: [address, MOST],
    });
    return result ? await load(result) : null;
  } catch { // the extension may not look into this page
    return null;
  }
}

/** Runs in the page, and knows nothing else of this module: gives the picture as a data URL, or null. */
async function inPage(address, most) {
  try {
    const answer = await fetch(address);
    const picture = answer.ok ? await answer.blob() : null;
    if (!picture?.type.startsWith("image/") || picture.size > most) return null;
    return await new Promise((done) => {
      const reader = new FileReader();
      reader.addEventListener("loadend", () => done(reader.result));
      reader.readAsDataURL(picture);
    });
  } catch {
    return null;
  }
}

/** What the picture is called on its site, as far as its address says. */
export function nameOf(address) {
  try {
    const { protocol, pathname } = new URL(address);
    return /^https?:$/.test(protocol) ? decodeURIComponent(pathname.slice(pathname.lastIndexOf("/") + 1)).slice(0, 200) : "";
  } catch {
    return "";
  }
}
