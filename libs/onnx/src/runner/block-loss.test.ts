/** Gradients are those of PyTorch: the fixtures were written by `test/python/gradient_fixtures.py`. */
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { describeModel, linearsOf, slotsOf } from '@esparse/model';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createBlockLoss } from './block-loss.ts';
import { createBlockRunner } from './block-runner.ts';
import { embedTokens } from './embed.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../../test/fixtures');
/** f32 against f64. */
const TOLERANCE = 1e-4;

interface Expected {
  /** Where the model is, within the fixtures. */
  readonly checkpoint: string;
  readonly tokens: readonly (readonly number[])[];
  readonly target: readonly (readonly number[])[];
  readonly loss: number;
  /** Sums of the gradient of each tensor of the last block: of each row and, of a matrix, of each column. */
  readonly gradients: Readonly<Record<string, { readonly rows: number[]; readonly columns?: number[] }>>;
}

const files = readdirSync(path.join(FIXTURES, 'gradients'));

test.each(files)('the gradients of two sequences at once are those of %s', async (file) => {
  const expected = JSON.parse(await readFile(path.join(FIXTURES, 'gradients', file), 'utf8')) as Expected;
  const checkpoint = await openCheckpoint(path.join(FIXTURES, expected.checkpoint));
  const description = describeModel(checkpoint.config);
  const weights = checkpointWeights(checkpoint);
  const seqlen = expected.tokens[0]!.length;
  const last = description.blocks - 1;

  const input: number[] = [];
  const runner = await createBlockRunner(description, { seqlen, threads: 1 });
  for (const tokens of expected.tokens) {
    let hidden = await embedTokens(description, weights, Uint32Array.from(tokens), seqlen);
    for (let block = 0; block < last; block++) {
      hidden = await (await runner.load(block, weights)).advance(hidden);
    }
    input.push(...hidden);
  }
  await runner.release();

  const parameters = new Map<string, Float32Array>();
  const tensors = slotsOf(linearsOf(description, last), description.blockTensors(last), last);
  for (const { slot, name } of tensors) parameters.set(slot, await weights.read(name));
  await checkpoint.close();
  const of = tensors.map(({ slot }) => slot);
  const sequences = expected.tokens.length;
  const loss = createBlockLoss(description, { block: last, seqlen, sequences, of, threads: 1 });
  const zeros = () => new Map([...parameters].map(([slot, { length }]) => [slot, new Float32Array(length)]));
  const gradients = zeros();
  const example = { input: Float32Array.from(input), target: Float32Array.from(expected.target.flat()) };
  expect(await loss.loss(example, parameters)).toBeCloseTo(expected.loss, 3);
  expect(await loss.gradients(example, parameters, zeros(), gradients)).toBeCloseTo(expected.loss, 3);
  await loss.release();

  expect(tensors.map(({ name }) => name).sort()).toEqual(Object.keys(expected.gradients).sort());
  for (const { slot, name, shape } of tensors) {
    const { rows, columns = [] } = expected.gradients[name]!;
    const gradient = gradients.get(slot)!;
    const [height = 0, width = 1] = shape;
    const sumWhere = (isPart: (i: number) => boolean) =>
      gradient.reduce((total, value, i) => (isPart(i) ? total + value : total), 0);
    const ofRows = Array.from({ length: height }, (_, row) => sumWhere((i) => Math.floor(i / width) === row));
    const ofColumns = columns.map((_, column) => sumWhere((i) => i % width === column));
    expectNear(ofRows, rows);
    expectNear(ofColumns, columns);
  }
});

function expectNear(found: readonly number[], expected: readonly number[]): void {
  // Where nothing is rotated, the bias of a key moves all scores of a row alike: its gradient is 0, but for last bits.
  const scale = Math.max(0.01, ...expected.map(Math.abs));
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(TOLERANCE * scale);
  });
}
