/**
 * Draws what the pruned networks of `measure.mjs` find, read and hear: the pictures of docs/beyond-language.md.
 *
 * node scripts/beyond-language/pictures.mjs MODELS OUT        after measure.mjs with the same
 */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { boxesIn } from './boxes.mjs';
import { pngAddress } from './png.mjs';
import { heardIn } from './speech.mjs';
import { outputsOf, textsOf } from './text.mjs';

const [models, out] = process.argv.slice(2);
if (out === undefined) throw new Error('pictures.mjs MODELS OUT');
const at = (name) => path.join(out, name);
const PATTERN = '2-4';
const METHODS = ['magnitude', 'wanda', 'e-sparse', 'e-sparse-reconstruct'];
const NAMES = ['magnitude', 'Wanda', 'E-Sparse', 'with reconstruction'];
/** The dense network, then the pruned ones that there are, each with its name. */
const networks = (task, dense) =>
  [
    ['dense', path.join(models, dense)],
    ...METHODS.map((method, i) => [NAMES[i], at(`${task}-${PATTERN}-${method}.onnx`)]),
  ].filter(([, file]) => existsSync(file));

const svg = (width, height, body) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11"><rect width="${width}" height="${height}" fill="white"/>${body.join('')}</svg>\n`;
const image = (grey, width, height, place, levels) =>
  `<image href="${pngAddress(grey, width, height, levels)}" ${place} preserveAspectRatio="none"/>`;
const escaped = (text) => text.replace(/[&<>]/g, (one) => `&#${one.codePointAt(0)};`);

writeFileSync(at('beyond-language-boxes.svg'), await boxesPicture(1));
writeFileSync(at('beyond-language-lines.svg'), await linesPicture([0, 2, 3, 5, 8, 11]));
writeFileSync(at('beyond-language-voice.svg'), await voicePicture());

/** A page with the boxes that each network finds, and its map below. */
async function boxesPicture(page) {
  const [size, each] = [320, 150];
  const body = [];
  for (const [n, [name, network]] of networks('detection', 'ch_PP-OCRv4_det_infer.onnx').entries()) {
    const [x, scale] = [10 + n * (each + 8), each / size];
    let index = 0;
    for await (const { picture, output } of outputsOf(network, at('detection-test.npz'), size, size)) {
      if (index++ !== page) continue;
      const grey = picture.subarray(0, size * size).map((value) => (value + 1) / 2);
      if (n === 0) {
        const inside = image(grey, size, size, `width="${each}" height="${each}"`, 16);
        body.push(`<defs><g id="page">${inside}</g></defs>`);
      }
      const boxes = boxesIn(output.data, size, size).map(([left, top, right, bottom]) => {
        const [l, t] = [Math.max(0, left * scale), Math.max(0, top * scale)];
        return `<rect x="${(x + l).toFixed(1)}" y="${(24 + t).toFixed(1)}" width="${(right * scale - l).toFixed(1)}" height="${(bottom * scale - t).toFixed(1)}" fill="none" stroke="#c0392b" stroke-width="1.2"/>`;
      });
      body.push(`<text x="${x}" y="17">${name}</text><use href="#page" x="${x}" y="24"/>`, ...boxes);
      body.push(
        image(output.data, size, size, `x="${x}" y="${30 + each}" width="${each}" height="${each}"`, 16),
      );
      break;
    }
  }
  return svg(10 + 5 * (each + 8) + 2, 40 + 2 * each, body);
}

/** Lines, and what each network reads in them. */
async function linesPicture(lines) {
  const read = [];
  for (const [name, network] of networks('ocr', 'ch_PP-OCRv4_rec_infer.onnx')) {
    read.push({ name, texts: await textsOf(network, at('ocr-test.npz')) });
  }
  const body = [];
  let [y, index] = [8, 0];
  for await (const { picture } of outputsOf(
    path.join(models, 'ch_PP-OCRv4_rec_infer.onnx'),
    at('ocr-test.npz'),
    48,
    320,
  )) {
    if (lines.includes(index)) {
      const grey = picture.subarray(0, 48 * 320).map((value) => (value + 1) / 2);
      body.push(image(grey, 320, 48, `x="8" y="${y + 8}" width="320" height="48"`, 16));
      read.forEach(({ name, texts }, n) => {
        body.push(
          `<text x="340" y="${y + 12 + 13 * n}" fill="#666">${name}</text>` +
            `<text x="450" y="${y + 12 + 13 * n}" font-family="monospace">${escaped(texts[index].slice(0, 40) || '(nothing)')}</text>`,
        );
      });
      y += 76;
    }
    index++;
  }
  return svg(760, y, body);
}

/** A track of voices in noise as a spectrogram, and how sure each network is that there is a voice. */
async function voicePicture() {
  const [width, height, strip] = [740, 120, 46];
  const body = [];
  let y = 10;
  for (const [n, [name, network]] of networks('silero', 'silero_vad_v5.onnx').entries()) {
    const { spectrum, bins, frames, truth, chances } = await heardIn(network, 700_021, 3);
    if (n === 0) {
      body.push(
        image(spectrum, frames, bins, `x="140" y="${y}" width="${width - 130}" height="${height}"`, 24),
      );
      y += height + 6;
      body.push(`<text x="10" y="${y + 10}">voice</text>`);
      const runs = [
        ...truth
          .map((voice) => (voice ? '1' : '0'))
          .join('')
          .matchAll(/1+/g),
      ];
      for (const { index, 0: run } of runs) {
        const [from, wide] = [(index / frames) * (width - 130), (run.length / frames) * (width - 130)];
        body.push(
          `<rect x="${(140 + from).toFixed(1)}" y="${y + 2}" width="${wide.toFixed(1)}" height="10" fill="#3b8f5a"/>`,
        );
      }
      y += 22;
    }
    const points = chances.map((value, f) => {
      const x = 140 + (f / frames) * (width - 130);
      return `${x.toFixed(1)},${(y + strip - 6 - value * (strip - 12)).toFixed(1)}`;
    });
    body.push(
      `<text x="10" y="${y + strip / 2 + 4}">${name}</text><line x1="140" x2="${width + 10}" y1="${y + strip / 2}" y2="${y + strip / 2}" stroke="#ccc" stroke-dasharray="4 3"/>` +
        `<polyline points="${points.join(' ')}" fill="none" stroke="#1f5fa8" stroke-width="1.2"/>`,
    );
    y += strip;
  }
  return svg(width + 20, y + 6, body);
}
