import path from 'node:path';
import { checkpointWeights, openCheckpoint, type Checkpoint, type WeightSource } from '@esparse/checkpoint';
import { relativeError } from '@esparse/laws';
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  describeCheckpoint,
  slotShapes,
  type ModelDescription,
} from '@esparse/model';
import { CPU } from '../device/device.ts';
import { createSession, type Value } from '../device/session.ts';
import { blockPart } from '../graph/model-parts.ts';
import { buildProgramGraph } from '../graph/program-graph.ts';
import { createBlockRunner } from './block-runner.ts';
import { embedTokens } from './embed.ts';

const FOLDER = path.join(import.meta.dirname, '../../../../test/fixtures/transformers/mixtral');
const ROWS = 20;
const EXPERTS = 4;

let checkpoint: Checkpoint;
let description: ModelDescription;
let hidden: Float32Array;
/** Experts whose weights were read, in order, and how many of them were in use at once, at most. */
let read: string[];
let weights: WeightSource;

beforeAll(async () => {
  checkpoint = await openCheckpoint(FOLDER);
  description = describeCheckpoint(checkpoint);
  const source = checkpointWeights(checkpoint);
  weights = {
    ...source,
    read(name, signal) {
      const expert = /experts\.\d+/.exec(name)?.[0];
      if (expert !== undefined && read.at(-1) !== expert) read.push(expert);
      return source.read(name, signal);
    },
  };
  const tokens = Uint32Array.from({ length: ROWS }, (_, i) => (i * 7 + i * i) % description.vocab);
  hidden = await embedTokens(description, source, tokens, ROWS);
});
beforeEach(() => {
  read = [];
});
afterAll(() => checkpoint.close());

const inOrder = Array.from({ length: EXPERTS }, (_, expert) => `experts.${expert}`);

test('another device than the processor is refused by name, before anything is read', async () => {
  const device = { ...CPU, name: 'webgpu' as const };
  await expect(createBlockRunner(description, { seqlen: ROWS, device })).rejects.toMatchObject({
    kind: 'unsupported',
    message: 'webgpu does not run this mixtral model: it has a mixture of experts',
  });
  expect(read).toEqual([]);
});

test('experts are read one after the other, also where sequences are run at the same time', async () => {
  const runner = await createBlockRunner(description, { seqlen: ROWS });
  const block = await runner.load(0, weights);
  expect(read).toEqual([]);
  const one = await block.advance(hidden);
  expect(read).toEqual(inOrder);
  expect(await Promise.all([block.advance(hidden), block.advance(hidden)])).toEqual([one, one]);
  expect(read).toEqual([...inOrder, ...inOrder, ...inOrder]);
  await runner.release();
});

test('every token goes to as many experts as the model says, and only those that are asked for are read', async () => {
  const runner = await createBlockRunner(description, { seqlen: ROWS });
  const block = await runner.load(1, weights);
  const all = await block.taps(hidden);
  const rows = all.filter(({ tap }) => /^experts.*mlp_in$/.test(tap)).map((tap) => tap.rows);
  expect(rows.reduce((sum, count) => sum + count, 0)).toBe(2 * ROWS);
  read = [];
  const some = await block.taps(hidden, { taps: ['attn_out', 'experts.2.mlp_out'] });
  expect(some).toEqual(all.filter(({ tap }) => tap === 'attn_out' || tap === 'experts.2.mlp_out'));
  expect(read).toEqual(['experts.2']);
  await runner.release();
});

test('asked for all tokens, an expert gives what it gives for those that are routed to it, among the others', async () => {
  const runner = await createBlockRunner(description, { seqlen: ROWS });
  const block = await runner.load(0, weights);
  const taps = ['experts.1.mlp_in', 'experts.1.mlp_out'];
  const routed = await block.taps(hidden, { taps });
  const all = await block.taps(hidden, { taps, allTokens: true });
  for (const [i, { rows, channels, data }] of all.entries()) {
    expect(rows).toBe(ROWS);
    const found = Array.from({ length: rows }, (_, r) => data.subarray(r * channels, (r + 1) * channels));
    for (let r = 0; r < routed[i]!.rows; r++) {
      const row = routed[i]!.data.subarray(r * channels, (r + 1) * channels);
      expect(found.some((other) => relativeError(other, row) < 1e-6)).toBe(true);
    }
  }
  await runner.release();
});

test('one graph of the whole block, with all of its experts, computes the same', async () => {
  const runner = await createBlockRunner(description, { seqlen: ROWS });
  const expected = await (await runner.load(0, weights)).advance(hidden);
  await runner.release();
  const graph = buildProgramGraph(blockPart(description, 0), ROWS, [BLOCK_OUTPUT]);
  const names = new Map([
    ...description.linears.map(({ name, weight }) => [`${name}.weight`, weight(0)] as const),
    ...description.blockTensors(0).map(({ slot, name }) => [slot, name] as const),
  ]);
  const inputs = new Map<string, Value>([[BLOCK_INPUT, { data: hidden, shape: [ROWS, description.hidden] }]]);
  for (const [slot, shape] of slotShapes(description, 0)) {
    inputs.set(slot, { data: await weights.read(names.get(slot)!), shape });
  }
  const output = { data: new Float32Array(expected.length), shape: [ROWS, description.hidden] };
  const session = await createSession(graph.bytes);
  await session.run(inputs, new Map([[BLOCK_OUTPUT, output]]));
  await session.release();
  expect(relativeError(output.data, expected)).toBeLessThan(1e-5);
});
