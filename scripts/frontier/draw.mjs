// Draws docs/frontier.svg from docs/frontier.json, points as `esparse report --points` takes them: perplexity against bits a
// weight. What a name begins with says which line a point belongs to.
//
//   node scripts/frontier/draw.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const SERIES = [
  { begins: 'dense', color: '#9aa0a6' },
  { begins: '2:4 rounded', color: '#7aa6d8' },
  { begins: '2:4 tuned', color: '#3b8f5a' },
];
const [WIDTH, HEIGHT, LEFT, TOP] = [560, 300, 60, 30];

const folder = new URL('../../docs/', import.meta.url);
const points = JSON.parse(readFileSync(new URL('frontier.json', folder), 'utf8'));

const [least, most] = [2, 18];
const x = (bits) => LEFT + (WIDTH * Math.log2(bits / least)) / Math.log2(most / least);
const lowest = Math.floor(Math.min(...points.map(({ perplexity }) => perplexity)));
const highest = Math.ceil(Math.max(...points.map(({ perplexity }) => perplexity)));
const y = (perplexity) => TOP + (HEIGHT * (highest - perplexity)) / (highest - lowest);
const text = (at, down, content, anchor = 'middle', size = 9) =>
  `<text x="${at.toFixed(1)}" y="${down.toFixed(1)}" font-size="${size}" text-anchor="${anchor}">${content}</text>`;

const parts = [];
for (let value = lowest; value <= highest; value++) {
  parts.push(
    `<line x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#eee"/>`,
    text(LEFT - 6, y(value) + 3, value, 'end'),
  );
}
for (const bits of [2, 3, 4, 6, 9, 16]) parts.push(text(x(bits), TOP + HEIGHT + 14, bits));
parts.push(
  text(LEFT + WIDTH / 2, TOP + HEIGHT + 30, 'bits a weight, all counted', 'middle', 10),
  text(LEFT, TOP - 14, 'perplexity', 'start', 10),
);
for (const [i, { begins, color }] of SERIES.entries()) {
  const line = points
    .filter(({ name }) => name.startsWith(begins))
    .sort((a, b) => a.bitsPerWeight - b.bitsPerWeight);
  const path = line.map((point) => `${x(point.bitsPerWeight).toFixed(1)},${y(point.perplexity).toFixed(1)}`);
  parts.push(
    `<polyline points="${path.join(' ')}" fill="none" stroke="${color}"/>`,
    ...line.map(
      ({ name, bitsPerWeight, perplexity }) =>
        `<circle cx="${x(bitsPerWeight).toFixed(1)}" cy="${y(perplexity).toFixed(1)}" r="4" fill="${color}"><title>${name}: ${bitsPerWeight} bits, ${perplexity}</title></circle>`,
    ),
    `<circle cx="${LEFT + WIDTH - 130}" cy="${TOP + 6 + 16 * i}" r="4" fill="${color}"/>`,
    text(LEFT + WIDTH - 120, TOP + 9 + 16 * i, begins, 'start', 10),
  );
}
const size = `0 0 ${LEFT + WIDTH + 20} ${TOP + HEIGHT + 44}`;
writeFileSync(
  new URL('frontier.svg', folder),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${size}" font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>\n`,
);
