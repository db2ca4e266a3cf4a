// Draws the measures of gates onto the edit: blocks that changed, a shift, a band at the edges, a colour cast.

import { drawing } from "./dom.js";
import { pixelsOf } from "./pixels.js";

// As in dataflow/gates/measures.py: means of blocks of 8 x 8 pixels, in pictures of at most 512 pixels a side.
const LONGEST = 512;
const BLOCK = 8;
const CHANGED = 8;

export function marksOf(before, after, edit) {
  const pixels = pixelsOf(before, after, LONGEST);
  const measures = edit?.measures ?? {};
  const { width, height } = pixels;
  return [
    drawing("g", { class: "blocks", transform: `scale(${100 / width} ${100 / height})` }, changedBlocks(pixels)),
    ...bandMark(measures.border),
    ...shiftMark(measures, width, height),
  ];
}

function changedBlocks({ width, height, before, after }) {
  const found = [];
  for (let top = 0; top < height; top += BLOCK) {
    for (let left = 0; left < width; left += BLOCK) {
      const [wide, tall] = [Math.min(BLOCK, width - left), Math.min(BLOCK, height - top)];
      const sums = [0, 0, 0];
      for (let y = top; y < top + tall; y += 1) {
        for (let x = left; x < left + wide; x += 1) {
          const at = 4 * (y * width + x);
          for (let channel = 0; channel < 3; channel += 1) sums[channel] += after[at + channel] - before[at + channel];
        }
      }
      if (Math.max(...sums.map(Math.abs)) / (wide * tall) > CHANGED) {
        found.push(drawing("rect", { x: left, y: top, width: wide, height: tall }));
      }
    }
  }
  return found;
}

function bandMark(border) {
  if (!border) return [];
  const at = 100 * border;
  return [drawing("rect", { class: "band", x: at, y: at, width: 100 - 2 * at, height: 100 - 2 * at })];
}

function shiftMark({ shift, agree, tiles }, width, height) {
  if (!shift || !(tiles >= 6 && agree >= 0.6) || Math.hypot(...shift) < 0.5) return [];
  const [x, y] = [50 + (1000 * shift[0]) / width, 50 + (1000 * shift[1]) / height]; // ten times as long, to be seen
  return [drawing("line", { class: "shift", x1: 50, y1: 50, x2: x, y2: y }), drawing("circle", { class: "shift", cx: x, cy: y, r: 1.2 })];
}

/** The measures as names and values in words. */
export function measuresSaid(measures) {
  if (!measures) return [];
  const share = (number) => `${(100 * number).toFixed(1)}%`;
  const found = [
    ["changed", `${share(measures.changed)} of the picture`],
    ["largest change", `${measures.coarse?.toFixed(0)} levels`],
  ];
  if (measures.tiles >= 6 && measures.agree >= 0.6) {
    found.push(["moved", `${measures.shift.map((each) => each.toFixed(1)).join(", ")} px, corner ${measures.corner.toFixed(1)} px`]);
  } else found.push(["moved", "cannot be told"]);
  if (measures.cast) found.push(["cast", measures.cast.map((each) => each.toFixed(1)).join(", ")]);
  if (measures.border) found.push(["band at an edge", share(measures.border)]);
  if (measures.aspect > 0.001) found.push(["shape is off by", share(measures.aspect)]);
  if (measures.outside !== null && measures.outside !== undefined) found.push(["changed outside the mask", share(measures.outside)]);
  return found;
}
