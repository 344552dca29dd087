/** Text that is rendered, and what of it the networks of PP-OCR find and read. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeModel, openSamples } from '@esparse/checkpoint';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { boxesIn, matches } from './boxes.mjs';

const HERE = import.meta.dirname;
const WORDS = path.join(HERE, '../../README.md');

/** @param kind lines, turned or pages: see render_text.py */
export function textData(kind, data, truth, seed, count) {
  const script = path.join(HERE, 'render_text.py');
  const args = [script, kind, WORDS, data, truth, `${seed}`, `${count}`];
  execFileSync(process.env.PYTHON ?? 'python3', args);
}

/** What a network makes of each picture of a file: its first output, and the picture. */
export async function* outputsOf(model, data, height, width) {
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 2 });
  const samples = await openSamples(data, {
    inputs: [{ name: 'x', type: 1, shape: [null, 3, height, width] }],
    beside: ['labels'],
  });
  try {
    for (let i = 0; i < samples.count; i++) {
      const { bytes } = samples.sample(i).get('x');
      const picture = new Float32Array(new Uint8Array(bytes).buffer);
      const [output] = Object.values(
        await session.run({ x: new Tensor('float32', picture, [1, 3, height, width]) }),
      );
      yield { picture, output };
    }
  } finally {
    await session.release();
  }
}

/** What a recogniser reads in each line of a file. */
export async function textsOf(model, data) {
  // The dictionary is in the file; the first class is none, the last a space.
  const { metadata_props: properties } = decodeModel(readFileSync(model), model);
  const characters = properties.find(({ key }) => key === 'character').value.split('\n');
  const classes = ['', ...characters, ' '];
  const texts = [];
  for await (const { output } of outputsOf(model, data, 48, 320)) texts.push(read(output, classes));
  return texts;
}

/** Characters that are read rightly, in percent: those to insert, remove or change are taken off. */
export async function readingScore(model, data, truth) {
  const wanted = JSON.parse(readFileSync(truth, 'utf8'));
  const texts = await textsOf(model, data);
  const wrong = wanted.reduce((sum, text, i) => sum + distance([...texts[i]], [...text]), 0);
  const all = wanted.reduce((sum, text) => sum + text.length, 0);
  return Math.max(0, 100 * (1 - wrong / all));
}

/** The harmonic mean of how many lines have a box that overlaps by half, and how many boxes have such a line, in percent. */
export async function findingScore(model, data, truth) {
  const wanted = JSON.parse(readFileSync(truth, 'utf8'));
  let [hits, all, page] = [0, 0, 0];
  for await (const { output } of outputsOf(model, data, 320, 320)) {
    const boxes = boxesIn(output.data, 320, 320);
    hits += matches(boxes, wanted[page]);
    all += boxes.length + wanted[page].length;
    page++;
  }
  return (100 * 2 * hits) / all;
}

/** The likeliest class of each place, each run of equals once. */
function read({ data, dims: [, places, count] }, classes) {
  let [text, last] = ['', 0];
  for (let place = 0; place < places; place++) {
    let best = 0;
    for (let i = 1; i < count; i++) if (data[place * count + i] > data[place * count + best]) best = i;
    if (best !== last) text += classes[best] ?? '';
    last = best;
  }
  return text;
}

/** Characters to insert, remove or change. */
function distance(a, b) {
  let row = b.map((_, i) => i + 1);
  a.forEach((one, i) => {
    const next = [];
    b.forEach((other, j) => {
      const before = j === 0 ? i : row[j - 1];
      const left = j === 0 ? i + 1 : next[j - 1];
      next.push(Math.min(before + (one === other ? 0 : 1), left + 1, row[j] + 1));
    });
    row = next;
  });
  return row.at(-1) ?? a.length;
}
