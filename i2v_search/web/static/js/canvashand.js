// What mouse, fingers and pen do with the pictures of a canvas: choose, move, scale and turn them.

import { boxOf, contains, meet, snap, transformed } from "./canvasgeometry.js";
import { handles, inSight } from "./canvasscene.js";

const SLOP = 4, NEAR = 7; // pixels that a press may tremble; from which edges snap
const GRIP = { mouse: 11, pen: 16, touch: 22 }; // pixels around a handle that belong to it
const NOTCH = 15; // degrees between turns with Shift
const modified = (event) => event.ctrlKey || event.metaKey || event.shiftKey;

/**
 * A hand over a canvas. `view` is its camera; `layout` has the pictures; `choice` is what is chosen, as get(), only(keys), add(keys)
 * and toggle(keys); `unit(picture)` are the pictures of its group; `several()` says whether a press adds to what is chosen.
 */
export function hand(canvas, view, { layout, choice, unit, several, changed }) {
  let grip = null; // what is held: kind, where it began, where everything lay before
  let guides = [], band = null;

  const zoom = () => view.view.zoom;
  const under = (point) => layout.all().findLast((picture) => contains(picture, point));
  const keysOf = (pictures) => pictures.map(({ key }) => key);
  const distance = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1]);

  function handleAt(here, type) {
    const held = handles(choice.get(), zoom()), reach = GRIP[type] ?? GRIP.mouse;
    if (!held) return null;
    if (distance(view.toScreen(...held.knob), here) <= reach) return { kind: "turn", about: [held.frame.x, held.frame.y] };
    const at = held.corners.findIndex((corner) => distance(view.toScreen(...corner), here) <= reach);
    return at < 0 ? null : { kind: "scale", about: held.corners[(at + 2) % 4] };
  }

  /** Take hold of what is at a point of the screen; returns false where the view is to be moved. */
  function begin(here, event) {
    const from = view.toMap(...here), handle = handleAt(here, event.pointerType), picture = under(from);
    const base = { here, from, moved: false };
    if (handle && !modified(event)) grip = { ...base, ...handle };
    else if (picture) {
      const known = choice.get().includes(picture);
      if (!known && !modified(event) && !several()) choice.only(keysOf(unit(picture)));
      grip = { ...base, kind: known || !(modified(event) || several()) ? "move" : "press" };
    } else if (event.pointerType === "mouse" || several()) {
      grip = { ...base, kind: "band", kept: modified(event) || several() ? keysOf(choice.get()) : [], had: keysOf(choice.get()) };
    } else return false;
    grip.chosen = choice.get();
    grip.before = layout.places(grip.chosen);
    return true;
  }

  function move(here, event) {
    if (!grip || (!grip.moved && distance(here, grip.here) < SLOP)) return;
    grip.moved = true;
    const at = view.toMap(...here);
    guides = [];
    if (grip.kind === "move") moveBy(at[0] - grip.from[0], at[1] - grip.from[1], event);
    else if (grip.kind === "scale") {
      const factor = Math.max(0.02, distance(at, grip.about) / Math.max(1e-6, distance(grip.from, grip.about)));
      transform({ about: grip.about, factor });
    } else if (grip.kind === "turn") {
      const angle = ([x, y]) => (Math.atan2(y - grip.about[1], x - grip.about[0]) * 180) / Math.PI;
      let degrees = angle(at) - angle(grip.from);
      const [first] = grip.before.values();
      if (event.shiftKey) degrees = Math.round((first.rotation + degrees) / NOTCH) * NOTCH - first.rotation;
      transform({ about: grip.about, degrees });
    } else if (grip.kind === "band") {
      const [xs, ys] = [0, 1].map((axis) => [grip.from[axis], at[axis]].sort((one, two) => one - two));
      band = { left: xs[0], right: xs[1], top: ys[0], bottom: ys[1] };
      const inside = layout.all().filter((picture) => meet(boxOf([picture]), band)).flatMap(unit);
      choice.only([...grip.kept, ...keysOf(inside)]);
    }
    changed();
  }

  function moveBy(dx, dy, event) {
    const put = (x, y) => { for (const picture of grip.chosen) Object.assign(picture, { x: grip.before.get(picture.key).x + x, y: grip.before.get(picture.key).y + y }); };
    put(dx, dy);
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const others = inSight(layout.all(), { toMap: view.toMap, width: canvas.clientWidth, height: canvas.clientHeight })
      .filter(({ picture }) => !grip.before.has(picture.key)).map(({ box }) => box);
    const met = snap(boxOf(grip.chosen), others, NEAR / zoom());
    guides = met.guides;
    put(dx + met.dx, dy + met.dy);
  }
  function transform(change) {
    for (const picture of grip.chosen) Object.assign(picture, transformed(grip.before.get(picture.key), change));
  }

  function end(cancelled) {
    if (!grip) return;
    const { kind, chosen, before, had } = grip;
    if (cancelled && kind === "band") choice.only(had);
    else if (cancelled) for (const picture of chosen) Object.assign(picture, before.get(picture.key));
    else if (grip.moved && kind !== "band") layout.keep(before);
    [grip, guides, band] = [null, [], null];
    changed();
  }

  /** A press that did not move. */
  function press(here, event) {
    const picture = under(view.toMap(...here));
    if (handleAt(here, event.pointerType) && !modified(event)) return;
    if (!picture) { if (!modified(event) && !several()) choice.only([]); } else if (modified(event) || several()) choice.toggle(keysOf(unit(picture)));
    else choice.only(keysOf(unit(picture)));
  }

  /** What the pointer would take hold of, for the cursor. */
  function cursor(here) {
    if (!here) return "";
    const handle = handleAt(here, "mouse");
    return handle ? (handle.kind === "turn" ? "grab" : "nwse-resize") : under(view.toMap(...here)) ? "move" : "";
  }
  return { begin, move, end, press, cursor, isBusy: () => grip !== null, marks: () => ({ guides, band }) };
}
