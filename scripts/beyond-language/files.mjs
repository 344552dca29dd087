/** Files of the packages that are installed here, and what kinds Magika takes them for. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { longs, words, writeNpz } from './arrays.mjs';

const ROOT = path.join(import.meta.dirname, '../../node_modules');
/** What Magika calls the kind of a file with an extension. */
const KINDS = {
  ...{
    js: 'javascript',
    mjs: 'javascript',
    cjs: 'javascript',
    ts: 'typescript',
    json: 'json',
    map: 'json',
    md: 'markdown',
  },
  ...{
    py: 'python',
    c: 'c',
    h: 'c',
    cc: 'cpp',
    cpp: 'cpp',
    html: 'html',
    css: 'css',
    yml: 'yaml',
    yaml: 'yaml',
    sh: 'shell',
  },
  ...{
    wasm: 'wasm',
    node: 'elf',
    png: 'png',
    svg: 'svg',
    proto: 'proto',
    xml: 'xml',
    bat: 'batch',
    gz: 'gzip',
  },
};
const EACH = 60;

function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const place = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(place);
    else if (entry.isFile()) yield place;
  }
}

/** The first and the last 1024 bytes without white space around, as Magika takes them; 256 is none. */
function tokensOf(file) {
  const bytes = readFileSync(file);
  const isSpace = (byte) => byte === 32 || (byte >= 9 && byte <= 13);
  let begin = 0;
  const head = bytes.subarray(0, 4096);
  while (begin < head.length && isSpace(head[begin])) begin++;
  const tail = bytes.subarray(Math.max(0, bytes.length - 4096));
  let end = tail.length;
  while (end > 0 && isSpace(tail[end - 1])) end--;
  const tokens = new Int32Array(2048).fill(256);
  tokens.set(head.subarray(begin, begin + 1024));
  const last = tail.subarray(Math.max(0, end - 1024), end);
  tokens.set(last, 2048 - last.length);
  return tokens;
}

/** Two sets of data with labels: to calibrate on, and to count on. */
export function fileData(labels, calibration, test) {
  const names = JSON.parse(readFileSync(labels, 'utf8')).target_labels_space;
  const byKind = new Map();
  for (const file of filesIn(ROOT)) {
    const kind = KINDS[path.extname(file).slice(1)];
    const isFit = kind !== undefined && names.includes(kind) && statSync(file).size >= 200;
    if (isFit) byKind.set(kind, [...(byKind.get(kind) ?? []), path.relative(ROOT, file)]);
  }
  const sets = [[], []];
  const order = (file) => createHash('sha256').update(file).digest('hex');
  for (const [kind, files] of [...byKind].sort()) {
    const some = files
      .map((file) => [order(file), file])
      .sort()
      .slice(0, 2 * EACH);
    some.forEach(([, file], i) => sets[i % 2].push([names.indexOf(kind), path.join(ROOT, file)]));
  }
  // In a mixed order: fewer samples than all are of every kind, too.
  const mixed = sets.map((set) => set.sort(([, a], [, b]) => (order(`${a}+`) < order(`${b}+`) ? -1 : 1)));
  [calibration, test].forEach((file, i) => {
    const tokens = mixed[i].map(([, place]) => tokensOf(place));
    writeNpz(file, {
      bytes: words(
        tokens.flatMap((one) => [...one]),
        tokens.length,
        2048,
      ),
      labels: longs(
        mixed[i].map(([label]) => label),
        tokens.length,
      ),
    });
  });
}
