// The pixels of pictures that the page shows.

import { element } from "./dom.js";

/** The pixels of both pictures at the shape of the first. */
export function pixelsOf(before, after, longest) {
  const scale = Math.min(1, longest / Math.max(before.naturalWidth, before.naturalHeight));
  const [width, height] = [before.naturalWidth, before.naturalHeight].map((each) => Math.max(1, Math.round(each * scale)));
  const read = (image) => {
    const canvas = element("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  return { width, height, before: read(before), after: read(after) };
}
