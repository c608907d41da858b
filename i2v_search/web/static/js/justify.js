// Rows of pictures of equal height that fill the width. Where each lies is kept in typed arrays: a hundred thousand
// pictures are laid out in milliseconds, and more are added without touching those before.

const NARROWEST = 0.4, WIDEST = 3.2; // of the boxes; a picture that is more extreme does not fill its own
/** Whether a picture of this ratio (width / height) has a box of another. */
export const extreme = (ratio) => ratio < NARROWEST || ratio > WIDEST;
const ROOM = 256; // pictures there is room for at first

/** Rows as wide as `width`, about `aim` high, `gap` apart, with `below` under each picture for its name; all in pixels. */
export function justified({ width, aim, gap, below = 0 }) {
  let ratios = new Float32Array(ROOM), lefts = new Int32Array(ROOM), widths = new Int32Array(ROOM), rowOf = new Int32Array(ROOM);
  let firsts = new Int32Array(ROOM), tops = new Float64Array(ROOM), heights = new Int32Array(ROOM); // of rows
  let count = 0, rows = 0, open = 0; // `open` is the first picture of the last row, where that is not full

  function reserve(wanted) {
    if (wanted <= ratios.length) return;
    const room = Math.max(wanted, 2 * ratios.length);
    const grown = (array) => {
      const larger = new array.constructor(room);
      larger.set(array);
      return larger;
    };
    [ratios, lefts, widths, rowOf, firsts, tops, heights] = [ratios, lefts, widths, rowOf, firsts, tops, heights].map(grown);
  }

  /** Make a row of the pictures [from, to). The last one takes what rounding leaves, where the row fills the width. */
  function close(from, to, height, fills) {
    const inner = width - gap * (to - from - 1);
    tops[rows] = rows ? tops[rows - 1] + heights[rows - 1] + below + gap : 0;
    heights[rows] = Math.round(height);
    firsts[rows] = from;
    let left = 0;
    for (let at = from; at < to; at += 1) {
      const last = fills && at === to - 1;
      lefts[at] = left;
      widths[at] = last ? width - left : Math.floor(Math.min(ratios[at] * height, inner));
      rowOf[at] = rows;
      left += widths[at] + gap;
    }
    rows += 1;
  }

  /** Add pictures of these ratios (width / height). A row ends where its height comes closest to the one aimed at. */
  function add(more) {
    reserve(count + more.length);
    if (open < count) rows -= 1; // laid out again, with what follows
    for (const ratio of more) {
      ratios[count] = Math.min(WIDEST, Math.max(NARROWEST, ratio || 1));
      count += 1;
    }
    let sum = 0;
    for (let start = open, at = open; at < count; at += 1) {
      const before = at - start;
      const heightWith = (width - gap * before) / (sum + ratios[at]);
      const heightBefore = before ? (width - gap * (before - 1)) / sum : Infinity;
      if (heightWith < aim && before && heightBefore / aim < aim / heightWith) {
        close(start, at, heightBefore, true);
        [start, open, sum] = [at, at, 0];
      }
      sum += ratios[at];
      const height = (width - gap * (at - start)) / sum;
      if (height < aim) {
        close(start, at + 1, height, true);
        [start, open, sum] = [at + 1, at + 1, 0];
      }
    }
    if (open < count) close(open, count, aim, false);
  }

  /** The row at a height, or the nearest. */
  function rowAt(y) {
    let low = 0, high = rows - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
  const first = (row) => (row < rows ? firsts[row] : count);

  return {
    add,
    rowAt,
    first,
    get count() { return count; },
    get rows() { return rows; },
    get height() { return rows ? tops[rows - 1] + heights[rows - 1] + below : 0; },
    rowOf: (at) => rowOf[at],
    box: (at) => ({ left: lefts[at], top: tops[rowOf[at]], width: widths[at], height: heights[rowOf[at]] }),
    /** The pictures [from, to) of the rows between two heights. */
    between(top, bottom) {
      if (!rows || bottom < 0 || top > this.height) return [0, 0];
      return [first(rowAt(top)), first(rowAt(bottom) + 1)];
    },
  };
}
