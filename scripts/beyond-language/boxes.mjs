/** Boxes of text in the map of a detector, as PP-OCR finds them, for lines that are level. */

/** What PP-OCR takes for text, what a box must have in the mean, its least side, and how far it is widened. */
const [THRESHOLD, MEAN, LEAST, WIDER] = [0.3, 0.5, 3, 1.6];
/** Overlap, of intersection over union, from which a box has found a line. */
const OVERLAP = 0.5;

/** The boxes of the parts of a map that hang together: left, top, right, bottom. */
export function boxesIn(map, width, height) {
  const seen = new Uint8Array(map.length);
  const isText = (at) => seen[at] === 0 && map[at] > THRESHOLD;
  const boxes = [];
  for (let first = 0; first < map.length; first++) {
    if (!isText(first)) continue;
    let [left, top, right, bottom] = [width, height, 0, 0];
    const waiting = [first];
    seen[first] = 1;
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const [x, y] = [at % width, Math.floor(at / width)];
      [left, top, right, bottom] = [
        Math.min(left, x),
        Math.min(top, y),
        Math.max(right, x),
        Math.max(bottom, y),
      ];
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const [nx, ny] = [x + dx, y + dy];
          if (nx < 0 || ny < 0 || nx >= width || ny >= height || !isText(ny * width + nx)) continue;
          seen[ny * width + nx] = 1;
          waiting.push(ny * width + nx);
        }
      }
    }
    const [w, h] = [right - left + 1, bottom - top + 1];
    let sum = 0;
    for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) sum += map[y * width + x];
    if (Math.min(w, h) < LEAST || sum / (w * h) < MEAN) continue;
    const by = (w * h * WIDER) / (2 * (w + h));
    boxes.push([left - by, top - by, right + 1 + by, bottom + 1 + by]);
  }
  return boxes;
}

/** How many lines have a box of their own, the nearest first. */
export function matches(boxes, lines) {
  const pairs = boxes.flatMap((box, b) => lines.map((line, l) => ({ b, l, share: overlap(box, line) })));
  const [takenBoxes, takenLines] = [new Set(), new Set()];
  for (const { b, l, share } of pairs.sort((one, other) => other.share - one.share)) {
    if (share < OVERLAP || takenBoxes.has(b) || takenLines.has(l)) continue;
    takenBoxes.add(b);
    takenLines.add(l);
  }
  return takenLines.size;
}

function overlap([l1, t1, r1, b1], [l2, t2, r2, b2]) {
  const both =
    Math.max(0, Math.min(r1, r2) - Math.max(l1, l2)) * Math.max(0, Math.min(b1, b2) - Math.max(t1, t2));
  return both / ((r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - both);
}
