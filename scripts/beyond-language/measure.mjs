/**
 * Prunes real networks in several ways, and scores each as its own task does: the table and the picture of
 * docs/beyond-language.md.
 *
 * node scripts/beyond-language/measure.mjs MODELS OUT [TASK...]
 *
 * MODELS has the networks, which are not part of this repository: silero_vad_v5.onnx (npm: @ricky0123/vad-web),
 * ch_PP-OCRv4_det_infer.onnx, ch_PP-OCRv4_rec_infer.onnx and ch_ppocr_mobile_v2.0_cls_infer.onnx (PyPI:
 * rapidocr-onnxruntime), magika.onnx and magika.json (PyPI: magika, model.onnx and
 * config.min.json of standard_v3_3). OUT gets the data, the results and the Markdown. It takes espeak-ng, and a Python with
 * NumPy and Pillow in the variable PYTHON.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { playPolicy, trainPolicy } from './cartpole.mjs';
import { fileData } from './files.mjs';
import { speechData, voiceScore } from './speech.mjs';
import { findingScore, readingScore, textData } from './text.mjs';

const [models, out, ...only] = process.argv.slice(2);
if (out === undefined) throw new Error('measure.mjs MODELS OUT [TASK...]');
mkdirSync(out, { recursive: true });
const at = (name) => path.join(out, name);
const given = (name) => path.join(models, name);
const ESPARSE = path.join(import.meta.dirname, '../../services/cli/bin/esparse.mjs');
const esparse = (...args) =>
  execFileSync(process.execPath, [ESPARSE, ...args], { encoding: 'utf8', maxBuffer: 2 ** 28 });

const PATTERNS = ['2:4', '4:8'];
const METHODS = ['magnitude', 'wanda', 'e-sparse', 'e-sparse-reconstruct'];

const TASKS = [
  {
    name: 'silero',
    title: 'Silero VAD v5, voice found (F1 of frames, %)',
    model: given('silero_vad_v5.onnx'),
    samples: 768,
    async prepare() {
      await speechData(this.model, at('silero.npz'), 1, 768);
      await speechData(this.model, at('silero-test.npz'), 2, 512);
    },
    score: (file) => voiceScore(file),
  },
  {
    name: 'ocr',
    title: 'PP-OCRv4 recognition, characters read (%)',
    model: given('ch_PP-OCRv4_rec_infer.onnx'),
    samples: 24,
    prepare() {
      textData('lines', at('ocr.npz'), at('ocr.json'), 1, 24);
      textData('lines', at('ocr-test.npz'), at('ocr-test.json'), 2, 120);
    },
    score: (file) => readingScore(file, at('ocr-test.npz'), at('ocr-test.json')),
  },
  {
    name: 'detection',
    title: 'PP-OCRv4 detection, lines found (F1 of boxes, %)',
    model: given('ch_PP-OCRv4_det_infer.onnx'),
    samples: 6,
    prepare() {
      textData('pages', at('detection.npz'), at('detection.json'), 1, 6);
      textData('pages', at('detection-test.npz'), at('detection-test.json'), 2, 30);
    },
    score: (file) => findingScore(file, at('detection-test.npz'), at('detection-test.json')),
  },
  {
    name: 'direction',
    title: 'PP-OCR direction, a MobileNetV3 (upside down or not, %)',
    model: given('ch_ppocr_mobile_v2.0_cls_infer.onnx'),
    samples: 64,
    prepare() {
      textData('turned', at('direction.npz'), at('direction.json'), 1, 64);
      textData('turned', at('direction-test.npz'), at('direction-test.json'), 2, 400);
    },
    score: (_, figures) => 100 * figures.hits.top1,
  },
  {
    name: 'magika',
    title: 'Magika v3.3, kind of file (top-1, %)',
    model: given('magika.onnx'),
    samples: 128,
    prepare() {
      fileData(given('magika.json'), at('magika.npz'), at('magika-test.npz'));
    },
    score: (_, figures) => 100 * figures.hits.top1,
  },
  {
    name: 'cartpole',
    title: 'CartPole with gusts, steps that the pole stands (of 500)',
    model: at('cartpole.onnx'),
    samples: 512,
    prepare() {
      trainPolicy(this.model, at('cartpole.npz'), at('cartpole-test.npz'));
    },
    score: (file) => playPolicy(file),
  },
];

for (const task of TASKS) {
  if (only.length > 0 && !only.includes(task.name)) continue;
  const test = at(`${task.name}-test.npz`);
  // What was measured before it was stopped is kept; to begin anew, remove the results.
  const results = at(`${task.name}-results.json`);
  if (!existsSync(results)) {
    await task.prepare();
    writeFileSync(results, JSON.stringify({ title: task.title, rows: [] }));
  }
  const { rows } = JSON.parse(readFileSync(results, 'utf8'));
  const keep = (row) => {
    rows.push(row);
    writeFileSync(results, JSON.stringify({ title: task.title, rows }, null, 1));
    console.error(task.name, JSON.stringify(row));
  };
  const evaluate = (model) => {
    const args = ['eval', '--model', task.model, '--compare', model, '--data', test, '--json'];
    return JSON.parse(esparse(...args)).models[1];
  };
  if (rows.length === 0) {
    const score = await task.score(task.model, evaluate(task.model));
    keep({ method: 'dense', pattern: '', score, cosine: 1 });
  }
  for (const pattern of PATTERNS) {
    for (const method of METHODS) {
      if (rows.some((row) => row.method === method && row.pattern === pattern)) continue;
      const [store, file] = [at(`${task.name}.zarr`), fileOf(task, pattern, method)];
      rmSync(store, { recursive: true, force: true });
      rmSync(file, { force: true });
      const data = ['--calibration', at(`${task.name}.npz`), '--samples', `${task.samples}`];
      const how = ['--pipeline', method, '--pattern', pattern];
      esparse('prune', '--model', task.model, ...data, ...how, '--store', store, '--json');
      esparse('export', '--store', store, '--format', 'onnx', '--out', file);
      const figures = evaluate(file);
      const [{ cosine }] = Object.values(figures.first);
      keep({ method, pattern, score: await task.score(file, figures), cosine, ...sizesOf(store) });
    }
  }
}

/** What is exported; the pictures are made of it. */
function fileOf({ name }, pattern, method) {
  return at(`${name}-${pattern.replace(':', '-')}-${method}.onnx`);
}

function sizesOf(store) {
  const { blocks, totals } = JSON.parse(esparse('inspect', '--store', store, '--json'));
  const linears = blocks.flatMap((block) => block.linears);
  return {
    linearBytes: totals.bytes,
    linears: linears.filter(({ pattern }) => pattern !== undefined).length,
  };
}

const all = TASKS.flatMap(({ name }) =>
  existsSync(at(`${name}-results.json`))
    ? [JSON.parse(readFileSync(at(`${name}-results.json`), 'utf8'))]
    : [],
);
writeFileSync(at('table.md'), tableOf(all));
writeFileSync(at('beyond-language.svg'), pictureOf(all));

/** A row for each task and pattern: the task's own figure, and the cosine to the dense outputs. */
function tableOf(tasks) {
  const cell = ({ score, cosine }) => `${score.toFixed(1)} (${cosine.toFixed(4)})`;
  const rows = tasks.flatMap(({ title, rows: [dense, ...others] }) =>
    PATTERNS.map((pattern) => {
      const found = METHODS.map((method) =>
        others.find((row) => row.method === method && row.pattern === pattern),
      );
      return [
        title,
        dense.score.toFixed(1),
        pattern,
        ...found.map((row) => (row === undefined ? 'not measured' : cell(row))),
      ];
    }),
  );
  const lines = [
    ['network, figure', 'dense', 'pattern', ...METHODS],
    Array(3 + METHODS.length).fill('---'),
    ...rows,
  ];
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('');
}

/** Bars of each task: dense as a line. */
function pictureOf(tasks) {
  const [width, height, bar] = [250, 170, 20];
  const colours = ['#9aa0a6', '#7aa6d8', '#e8a33d', '#3b8f5a'];
  const panels = tasks.map(({ title, rows }, t) => {
    const [dense, ...others] = rows;
    const most = Math.max(...rows.map(({ score }) => score)) * 1.05;
    const y = (score) => height - (score / most) * height;
    const bars = others.map(({ method, pattern, score }) => {
      const i = PATTERNS.indexOf(pattern) * METHODS.length + METHODS.indexOf(method);
      const x = 10 + i * (bar + 5) + (pattern === PATTERNS[1] ? 14 : 0);
      const colour = colours[METHODS.indexOf(method)];
      return (
        `<rect x="${x}" y="${y(score).toFixed(1)}" width="${bar}" height="${(height - y(score)).toFixed(1)}" fill="${colour}"><title>${method} ${pattern}: ${score.toFixed(1)}</title></rect>` +
        `<text x="${x + bar / 2}" y="${(y(score) - 3).toFixed(1)}" font-size="8" text-anchor="middle">${score.toFixed(0)}</text>`
      );
    });
    const at = `translate(${20 + (t % 2) * (width + 40)}, ${40 + Math.floor(t / 2) * (height + 70)})`;
    return (
      `<g transform="${at}"><text y="-18" font-size="10">${title}</text>${bars.join('')}` +
      `<line x1="0" x2="${width}" y1="${y(dense.score).toFixed(1)}" y2="${y(dense.score).toFixed(1)}" stroke="#b3261e" stroke-dasharray="4 3"/>` +
      `<text x="60" y="${height + 14}" font-size="10" text-anchor="middle">2:4</text><text x="175" y="${height + 14}" font-size="10" text-anchor="middle">4:8</text></g>`
    );
  });
  const foot = 40 + Math.ceil(tasks.length / 2) * (height + 70) - 20;
  const legend = [...METHODS, 'dense (line)'].map(
    (name, i) =>
      `<rect x="${20 + i * 120}" y="${foot}" width="9" height="9" fill="${colours[i] ?? '#b3261e'}"/><text x="${33 + i * 120}" y="${foot + 8}" font-size="10">${name}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 ${foot + 20}" font-family="sans-serif"><rect width="640" height="${foot + 20}" fill="white"/>${panels.join('')}${legend.join('')}</svg>\n`;
}
