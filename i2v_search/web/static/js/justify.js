// Rows of pictures of equal height that fill the width, nothing cropped but the extremes.

const NARROWEST = 0.4, WIDEST = 3.2;

/**
 * Sizes in whole pixels for pictures of these ratios (width / height), in order.
 * A row ends where its height comes closest to the one aimed at; the last one may stay open.
 */
export function justify(ratios, width, aim, gap) {
  const boxes = [];
  let row = [], sum = 0;
  const close = (height, fill) => {
    const inner = width - gap * (row.length - 1);
    let left = inner;
    row.forEach((ratio, at) => {
      const last = fill && at === row.length - 1;
      const share = last ? left : Math.floor(Math.min(ratio * height, inner));
      left -= share;
      boxes.push({ width: share, height: Math.round(height) });
    });
    row = [];
    sum = 0;
  };
  for (const given of ratios) {
    const ratio = Math.min(WIDEST, Math.max(NARROWEST, given || 1));
    const heightWith = (width - gap * row.length) / (sum + ratio);
    const heightBefore = row.length ? (width - gap * (row.length - 1)) / sum : Infinity;
    if (heightWith < aim && row.length && heightBefore / aim < aim / heightWith) close(heightBefore, true);
    row.push(ratio);
    sum += ratio;
    const height = (width - gap * (row.length - 1)) / sum;
    if (height < aim) close(height, true);
  }
  if (row.length) close(aim, false);
  return boxes;
}
