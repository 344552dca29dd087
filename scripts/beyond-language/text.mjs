/** Lines of text that are rendered, and what of them PP-OCR reads. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeModel, openSamples } from '@esparse/checkpoint';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const HERE = import.meta.dirname;
const WORDS = path.join(HERE, '../../README.md');

export function textData(data, texts, seed, count) {
  const script = path.join(HERE, 'render_text.py');
  execFileSync(process.env.PYTHON ?? 'python3', [script, WORDS, data, texts, `${seed}`, `${count}`]);
}

/** Characters that are read rightly, in percent: those to insert, remove or change are taken off. */
export async function readingScore(model, data, texts) {
  const file = readFileSync(model);
  // The dictionary is in the file; the first class is none, the last a space.
  const { metadata_props: properties } = decodeModel(file, model);
  const characters = properties.find(({ key }) => key === 'character').value.split('\n');
  const classes = ['', ...characters, ' '];
  const session = await InferenceSession.create(file, { intraOpNumThreads: 2 });
  const samples = await openSamples(data, { inputs: [{ name: 'x', type: 1, shape: [null, 3, 48, 320] }] });
  const wanted = JSON.parse(readFileSync(texts, 'utf8'));
  let [wrong, all] = [0, 0];
  for (let i = 0; i < samples.count; i++) {
    const { bytes } = samples.sample(i).get('x');
    const x = new Float32Array(new Uint8Array(bytes).buffer);
    const [output] = Object.values(await session.run({ x: new Tensor('float32', x, [1, 3, 48, 320]) }));
    wrong += distance([...read(output, classes)], [...wanted[i]]);
    all += wanted[i].length;
  }
  await session.release();
  return Math.max(0, 100 * (1 - wrong / all));
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
