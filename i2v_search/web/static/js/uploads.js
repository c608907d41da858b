// Images of the user: sent to the server, which answers with a key; kept here to be sent again when it forgot.

import * as api from "./api.js";
import { notify } from "./notice.js";
import { imageOf, remember, toKey, uploaded } from "./reference.js";
import { TEXT, say } from "./strings.js";

const files = new Map(); // key -> File
let limit = null; // bytes

export const setLimit = (bytes) => { limit = bytes; };
const mega = (bytes) => (bytes / 1e6).toFixed(1);

/** Send a file; returns the key of the image, or null after saying what is wrong with it. */
export async function receive(file) {
  const name = file.name || TEXT.yourImage;
  if (limit && file.size > limit) {
    notify(say(TEXT.errors.tooLarge, name, mega(file.size), mega(limit)), "error");
    return null;
  }
  const leave = notify(say(TEXT.uploading, name), "info", 0);
  try {
    const key = await send(file, name);
    if (!uploaded(key)) notify(say(TEXT.uploadsAlready, name));
    return key;
  } catch (failure) {
    notify(reason(failure, name), "error");
    return null;
  } finally {
    leave();
  }
}

/** Send a file of this name; returns the key of the image, which may be one of the collection. */
export async function send(file, name, signal) {
  const answer = await api.upload(file, signal);
  const key = toKey(answer);
  if (uploaded(key)) {
    files.set(key, file);
    remember(key, {
      path: name, tags: answer.tags, width: answer.width, height: answer.height, bytes: file.size,
      local: URL.createObjectURL(file),
    });
  }
  return key;
}

function reason(failure, name) {
  const texts = { 413: TEXT.errors.tooLargeServer, 415: TEXT.errors.notImage, 422: TEXT.errors.broken };
  return texts[failure.status] ? say(texts[failure.status], name) : failure.message;
}

/** Send images again that the server no longer keeps; returns whether all of them are back. */
export async function sendAgain(keys) {
  const lost = [...new Set(keys.filter(uploaded).map(imageOf))];
  if (!lost.length || !lost.every((key) => files.has(key))) return false;
  try {
    for (const key of lost) await api.upload(files.get(key));
  } catch {
    return false;
  }
  return true;
}
