// Two copies in one frame: shown in turn, or what differs between them.

import { title } from "./actions.js";
import { calm, get } from "./dom.js";
import { announce } from "./notice.js";
import { known, large } from "./reference.js";
import { TEXT, say } from "./strings.js";

const EACH = 700; // milliseconds for which each of the two is shown
const MOST = 1024; // pixels of the longer side that are compared
const LEAST = 2; // levels up to which two pixels count as the same: the pictures are shown as WebP
const GROUND = "#808080"; // behind what is transparent
const texts = TEXT.copyView;
const frame = get("copy-frame"), pictures = [get("copy-a"), get("copy-b")], canvas = get("copy-difference");
const penOf = (paper) => paper.getContext("2d", { willReadFrequently: true });
let pair = [], mode = "side", timer = 0, differences = null;

/** Show both in turn, and stop there. */
function swap() {
  const second = frame.classList.toggle("second");
  tell(say(texts.shown, title(pair[Number(second)])));
}
function run(on) {
  clearInterval(timer);
  timer = on ? setInterval(swap, EACH) : 0;
  get("copy-run").setAttribute("aria-pressed", String(on));
}
const tell = (text) => { get("copy-told").textContent = text; };

/** Compare two pictures: "flicker", "difference", or "side" for none of both. */
export function show(wanted, one, other) {
  const same = mode === wanted && pair[0] === one && pair[1] === other;
  if (same) return;
  [mode, pair, differences] = [wanted, [one, other], null];
  get("copy-stage").hidden = mode === "side";
  get("copy-flicker-tools").hidden = mode !== "flicker";
  get("copy-gain-field").hidden = mode !== "difference";
  canvas.hidden = mode !== "difference";
  frame.classList.remove("second");
  run(false);
  if (mode === "side") return;
  const { width = 1, height = 1 } = known(one);
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.width = `min(100%, 54dvh * ${width / height})`;
  tell("");
  pictures.forEach((picture, at) => {
    picture.alt = title(pair[at]);
    picture.src = large(pair[at]);
  });
  const asked = pair;
  Promise.all(pictures.map((picture) => picture.decode())).then(() => { if (asked === pair) arrived(); }, () => { if (asked === pair) tell(texts.notShown); });
}

function arrived() {
  if (mode === "flicker") {
    tell(say(texts.shown, title(pair[0])));
    run(!calm());
    return;
  }
  const [{ naturalWidth: width, naturalHeight: height }] = pictures, scale = Math.min(1, MOST / Math.max(width, height));
  [canvas.width, canvas.height] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const [one, other] = pictures.map(pixels);
  differences = new Uint8ClampedArray(one.length);
  let most = 0, differing = 0;
  for (let at = 0; at < one.length; at += 4) {
    let here = 0;
    for (let channel = at; channel < at + 3; channel += 1) {
      differences[channel] = Math.abs(one[channel] - other[channel]);
      here = Math.max(here, differences[channel]);
    }
    most = Math.max(most, here);
    if (here > LEAST) differing += 1;
  }
  draw();
  const share = (400 * differing) / one.length;
  tell(say(texts.differs, share.toLocaleString(undefined, { maximumFractionDigits: share < 1 ? 2 : 0 }), most));
  announce(get("copy-told").textContent);
}

/** The pixels of a picture at the size of the canvas. */
function pixels(picture) {
  const pen = penOf(new OffscreenCanvas(canvas.width, canvas.height));
  pen.fillStyle = GROUND;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height).data;
}

/** Draw the differences, so many times as strong. */
function draw() {
  if (!differences) return;
  const gain = Number(get("copy-gain").value), drawn = new ImageData(canvas.width, canvas.height);
  for (let at = 0; at < differences.length; at += 1) drawn.data[at] = at % 4 === 3 ? 255 : differences[at] * gain;
  penOf(canvas).putImageData(drawn, 0, 0);
  get("copy-gain-value").textContent = say(texts.times, gain);
}

export function start() {
  get("copy-gain").addEventListener("input", draw);
  get("copy-run").addEventListener("click", () => run(!timer));
  get("copy-swap").addEventListener("click", swapOnce);
  document.addEventListener("visibilitychange", () => { if (document.hidden) run(false); });
}
/** Show the other one, and leave it so. */
export function swapOnce() {
  if (mode !== "flicker") return;
  run(false);
  swap();
}
