// The server on this computer: its address and token as they are kept, and what it is asked. The token is sent to no
// other address.

import { WORDS, say } from "./words.js";

const USUAL = "http://127.0.0.1:8800", KEPT = ["address", "token"];
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost)(:\d{1,5})?$/;

/** What a person is told went wrong. */
export class Problem extends Error {}

export async function settings() {
  const { address = USUAL, token = "" } = await chrome.storage.local.get(KEPT);
  return { address, token };
}
export const keepSettings = ({ address, token }) => chrome.storage.local.set({ address, token });

/** Address and token of what the page of i2v-search put on the clipboard, or of an address alone. */
export function read(text) {
  const [whole, token = ""] = text.trim().split("#token=");
  const address = whole.replace(/\/+$/, "");
  if (!LOOPBACK.test(address)) throw new Problem(WORDS.notAddress);
  return { address, token };
}

async function ask(path, options = {}) {
  const { address, token } = await settings();
  if (!token) throw new Problem(WORDS.notConnected);
  let answer;
  try {
    answer = await fetch(`${read(address).address}/api/v1/${path}`, {
      ...options, credentials: "omit", redirect: "error", headers: { ...options.headers, Authorization: `Bearer ${token}` },
    });
  } catch (failure) {
    throw failure instanceof Problem ? failure : new Problem(say(WORDS.unreachable, address));
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(say(WORDS.refused, body.error?.message ?? answer.status));
  return body;
}

const sent = (picture) => ({ method: "POST", body: picture, headers: { "Content-Type": picture.type.startsWith("image/") ? picture.type : "image/x-unknown" } });

/** The collection that is served, and where pictures are kept. */
export const about = () => ask("kept");
/** Give the server a picture; returns the page of what is like it. */
export async function find(picture) {
  const { id, upload } = await ask("uploads", sent(picture));
  return `${(await settings()).address}/?like=${id ?? `u:${upload}`}`;
}
/** Have a picture saved in the collection. */
export const keep = (picture, name, page) => ask(`kept?${new URLSearchParams({ name, page })}`, sent(picture));
