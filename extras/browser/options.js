// The options: where i2v-search is, and what proves that a person connected this browser to it.

import { Problem, about, keepSettings, read, settings } from "./server.js";
import { WORDS, say } from "./words.js";

const get = (id) => document.getElementById(id);
const EVERYWHERE = { origins: ["http://*/*", "https://*/*"] };

/** An address with its token, as it is on the clipboard, fills both fields. */
function fill(text) {
  const { address, token } = read(text);
  get("address").value = address;
  if (token) get("token").value = token;
}

async function attempt() {
  try {
    fill(get("address").value);
    await keepSettings({ address: get("address").value, token: get("token").value.trim() });
    const { collection, images } = await about();
    return say(WORDS.works[Math.min(images, 2)], collection, images.toLocaleString());
  } catch (failure) {
    if (!(failure instanceof Problem)) throw failure;
    return failure.message;
  }
}

get("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  get("problem").hidden = true;
  get("answer").textContent = await attempt();
});
get("address").addEventListener("input", () => {
  if (get("address").value.includes("#token=")) try { fill(get("address").value); } catch { /* said when it is tried */ }
});
get("allow").addEventListener("click", async () => {
  get("allowed").textContent = (await chrome.permissions.request(EVERYWHERE)) ? WORDS.allowed : WORDS.notAllowed;
});

const kept = await settings();
[get("address").value, get("token").value] = [kept.address, kept.token];
get("problem").textContent = decodeURIComponent(location.hash.slice(1));
get("problem").hidden = !get("problem").textContent;
