// The menu of pictures, and what its entries do.

import { allow, nameOf, read } from "./picture.js";
import { Problem, find, keep } from "./server.js";
import { WORDS, say } from "./words.js";

const SHOWN = 4000; // milliseconds that the sign on the button stays

chrome.runtime.onInstalled.addListener(() => {
  chrome.storage.local.setAccessLevel({ accessLevel: "TRUSTED_CONTEXTS" }); // the token is for no page
  chrome.contextMenus.removeAll(() => {
    for (const id of ["find", "keep"]) chrome.contextMenus.create({ id, title: WORDS[id], contexts: ["image"] });
  });
});

chrome.action.onClicked.addListener(() => chrome.runtime.openOptionsPage());

chrome.contextMenus.onClicked.addListener(async (clicked, tab) => {
  const allowed = allow(clicked); // at once: later, nobody has clicked
  try {
    await allowed;
    const picture = await read(clicked, tab);
    if (clicked.menuItemId === "find") await chrome.tabs.create({ url: await find(picture), index: tab.index + 1 });
    else if (clicked.menuItemId === "keep") await told(await keep(picture, nameOf(clicked.srcUrl), tab.incognito ? "" : pageOf(clicked)));
  } catch (failure) {
    if (!(failure instanceof Problem)) throw failure;
    await chrome.tabs.create({ url: chrome.runtime.getURL(`options.html#${encodeURIComponent(failure.message)}`) });
  }
});

const pageOf = ({ pageUrl = "" }) => (/^https?:/.test(pageUrl) && pageUrl.length <= 2000 ? pageUrl : "");

/** Say on the extension's button that a picture was kept. */
async function told({ path, new: fresh }) {
  await chrome.action.setBadgeText({ text: fresh ? "✓" : "=" });
  await chrome.action.setTitle({ title: say(fresh ? WORDS.kept : WORDS.known, path) });
  setTimeout(() => chrome.action.setBadgeText({ text: "" }), SHOWN);
}
