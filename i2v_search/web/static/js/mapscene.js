// The pictures of the map, painted beside the screen in short steps: what is seen is the last painting that was
// finished, moved and scaled, so that no number of pictures makes a movement wait.

const MARGIN = 0.2; // share of the screen that is painted beyond each of its sides
const STEP = 6; // milliseconds of painting a frame
const CHECKED = 64; // pictures between two looks at the clock
export const SMALLEST_SPRITE = 9; // pixels of the screen; below, a picture is a dot of its mean colour

const sheetOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

/**
 * A painter. `find` calls its last argument with each picture in a rectangle of the map, `paint(pen, at, x, y)` paints one
 * around a point, and `dot(at)` is the colour of one as a canvas holds it.
 */
export function mapscene({ find, paint, dot }) {
  let front = null, job = null, spare = null, fresh = false;

  const same = (one, two) => one && two && one.x === two.x && one.y === two.y && one.zoom === two.zoom && one.width === two.width && one.height === two.height && one.ratio === two.ratio;

  function begin(shot) {
    const { width, height, ratio, zoom, x, y } = shot;
    const wide = Math.ceil(width * (1 + 2 * MARGIN) * ratio), high = Math.ceil(height * (1 + 2 * MARGIN) * ratio);
    const reuse = job?.sheet ?? spare;
    const sheet = reuse?.width === wide && reuse.height === high ? reuse : sheetOf(wide, high);
    spare = null;
    const seen = [], [halfX, halfY] = [wide / ratio / 2 / zoom, high / ratio / 2 / zoom], more = shot.size / zoom;
    find(x - halfX - more, y - halfY - more, x + halfX + more, y + halfY + more, (at) => seen.push(at));
    const pen = sheet.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalAlpha = 1;
    pen.clearRect(0, 0, wide, high);
    job = { shot, sheet, pen, seen, done: 0, wide, high };
    fresh = true;
  }

  /** All pictures as dots, in one go. */
  function dots({ shot, pen, seen, wide, high }) {
    const pixels = pen.createImageData(wide, high), colours = new Uint32Array(pixels.data.buffer);
    const { zoom, ratio, x, y, xs, ys, size } = shot, side = Math.max(2, Math.round(size * ratio * 0.85));
    for (const at of seen) {
      const left = Math.round((xs[at] - x) * zoom * ratio + (wide - side) / 2), top = Math.round((ys[at] - y) * zoom * ratio + (high - side) / 2);
      const colour = dot(at), right = Math.min(wide, left + side), bottom = Math.min(high, top + side);
      for (let line = Math.max(0, top); line < bottom; line += 1) colours.fill(colour, line * wide + Math.max(0, left), Math.max(line * wide, line * wide + right));
    }
    pen.putImageData(pixels, 0, 0);
    job.done = seen.length;
  }

  function step() {
    const { shot, pen, seen, wide, high } = job, until = performance.now() + STEP;
    if (shot.size < SMALLEST_SPRITE) return dots(job);
    pen.setTransform(shot.ratio, 0, 0, shot.ratio, wide / 2, high / 2);
    pen.imageSmoothingQuality = "high";
    while (job.done < seen.length) {
      const at = seen[job.done++];
      paint(pen, at, (shot.xs[at] - shot.x) * shot.zoom, (shot.ys[at] - shot.y) * shot.zoom);
      if (job.done % CHECKED === 0 && performance.now() > until) break;
    }
    return undefined;
  }

  return {
    /** Paint anew: pictures have come, or look otherwise. */
    spoil: () => { fresh = false; },
    /**
     * Show the pictures of a shot: { x, y, zoom, width, height, ratio, size, xs, ys }. Returns whether the painting is
     * finished; if not, it goes on with the next call.
     */
    show(pen, shot) {
      if (!job && !(fresh && same(front?.shot, shot))) begin(shot);
      if (job) {
        step();
        if (job.done >= job.seen.length) {
          spare = front?.sheet ?? null;
          front = job;
          job = null;
        }
      }
      if (front) {
        const scale = shot.zoom / front.shot.zoom, [wide, high] = [(front.wide / front.shot.ratio) * scale, (front.high / front.shot.ratio) * scale];
        const left = shot.width / 2 + (front.shot.x - shot.x) * shot.zoom - wide / 2, top = shot.height / 2 + (front.shot.y - shot.y) * shot.zoom - high / 2;
        pen.drawImage(front.sheet, left, top, wide, high);
      }
      return !job && fresh && same(front?.shot, shot);
    },
    /** Pictures that the last painting shows. */
    seen: () => front?.seen ?? [],
  };
}
