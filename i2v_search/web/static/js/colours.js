// Colours of pixels: how far apart they look (in OKLab), and the few that a picture is made of.

const ROUNDS = 12;
const APART = 0.06; // of two colours that look different
const SOLID = 128; // least alpha of a pixel that counts

export const hex = (red, green, blue) => `#${[red, green, blue].map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;

const linear = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);

/** A colour of 0 to 255 a channel in OKLab, where distance is difference (B. Ottosson, 2020). */
export function oklab(red, green, blue) {
  const [r, g, b] = [red, green, blue].map(linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
const distance = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1], one[2] - two[2]);

/**
 * The colours that a picture is made of, those of the most pixels first: at most `count`, fewer where it has fewer.
 * K-means in OKLab over its colours (5 bits a channel), begun with the one of most pixels and each time the one
 * that stands out most from those before, so that the same picture has the same colours. A group is shown by its
 * colour of most pixels, which is in the picture; their mean may not be.
 */
export function dominant(pixels, count) {
  const bins = new Map();
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at + 3] < SOLID) continue;
    const key = ((pixels[at] >> 3) << 10) | ((pixels[at + 1] >> 3) << 5) | (pixels[at + 2] >> 3);
    const bin = bins.get(key) ?? [0, 0, 0, 0];
    for (const channel of [0, 1, 2]) bin[channel] += pixels[at + channel];
    bin[3] += 1;
    bins.set(key, bin);
  }
  const points = [...bins.values()].map(([red, green, blue, weight]) => ({ at: oklab(red / weight, green / weight, blue / weight), sum: [red, green, blue], weight }));
  if (!points.length) return [];
  const centres = [points.reduce((one, two) => (two.weight > one.weight ? two : one)).at];
  while (centres.length < count) {
    const out = (point) => Math.min(...centres.map((centre) => distance(point.at, centre))) ** 2 * Math.sqrt(point.weight);
    const next = points.reduce((one, two) => (out(two) > out(one) ? two : one));
    if (Math.min(...centres.map((centre) => distance(next.at, centre))) < APART) break;
    centres.push(next.at);
  }
  let groups = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    groups = centres.map(() => ({ weight: 0, lab: [0, 0, 0], most: points[0], heaviest: 0 }));
    for (const point of points) {
      const { at, weight } = point;
      const near = centres.reduce((best, centre, place) => (distance(at, centre) < distance(at, centres[best]) ? place : best), 0);
      const group = groups[near];
      for (const axis of [0, 1, 2]) group.lab[axis] += at[axis] * weight;
      group.weight += weight;
      if (weight > group.heaviest) Object.assign(group, { most: point, heaviest: weight });
    }
    groups.forEach(({ lab, weight }, place) => { if (weight) centres[place] = lab.map((sum) => sum / weight); });
  }
  return groups.filter(({ weight }) => weight).sort((one, two) => two.weight - one.weight).map(({ most: { sum, weight } }) => hex(...sum.map((each) => each / weight)));
}
