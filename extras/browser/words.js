// All that the extension says.

export const WORDS = {
  find: "Find like this",
  keep: "Keep in the collection",
  kept: "Kept as {0}",
  known: "The collection has it already: {0}",
  notConnected: "Connect the extension first.",
  notAddress: "This is no address of i2v-search on this computer, such as http://127.0.0.1:8800",
  unreachable: "i2v-search does not answer at {0}. Is it running?",
  refused: "i2v-search refused it: {0}",
  unreadable: "The picture could not be read. Its site may give it to its own pages alone: save it, and drop it on the page of i2v-search.",
  works: ["Connected to “{0}”, without pictures yet.", "Connected to “{0}”, with one picture.", "Connected to “{0}”, with {1} pictures."],
  allowed: "Allowed.",
  notAllowed: "Not allowed. The browser asks for each site when it is needed.",
};

export const say = (text, ...values) => text.replace(/\{(\d)\}/g, (_, at) => values[at]);
