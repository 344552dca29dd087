import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { bytesOfRun } from '../support/run-bytes.ts';
import { shareWorker } from '../support/share-worker.ts';

const at = scratchFolder();
shareWorker(at);
const MODEL = ['--model', EXAMPLE_MODEL];
const SIZE = ['--samples', '8', '--seqlen', '64'];
const LAYERS = ['blocks.0.*=dense', '*.down_proj=4:8', 'blocks.2.q_proj=dense', 'blocks.3.*=dense'].flatMap(
  (rule) => ['--layer', rule],
);
const LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

const prune = (store: string, ...args: string[]) =>
  esparseJson(
    'prune',
    ...MODEL,
    '--calibration',
    EXAMPLE_CALIBRATION,
    '--store',
    at(store),
    ...SIZE,
    ...args,
  );

let mixed: Record<string, unknown>;
beforeAll(async () => {
  mixed = await prune('mixed', ...LAYERS);
});

/** What becomes of a linear by LAYERS. */
function expected(block: number, linear: string): string | undefined {
  if (block === 3) return undefined;
  if (linear === 'down_proj') return '4:8';
  return block === 0 || (block === 2 && linear === 'q_proj') ? undefined : '2:4';
}

test('inspect shows the pattern of each linear, and the attributes list the exceptions', async () => {
  const inspection = (await esparseJson('inspect', '--store', at('mixed'))) as {
    blocks: { linears: { name: string; pattern?: string }[] }[];
    options: { layers: Record<string, string> };
  };
  for (const [block, { linears }] of inspection.blocks.entries()) {
    expect(linears.map(({ pattern }) => pattern)).toEqual(LINEARS.map((name) => expected(block, name)));
  }
  expect(Object.keys(inspection.options.layers)).toHaveLength(7 + 1 + 2 + 7);
  expect(inspection.options.layers).toMatchObject({
    'blocks.0.q_proj': 'dense',
    'blocks.0.down_proj': '4:8',
  });
  const { stdout } = await esparse('inspect', '--store', at('mixed'));
  expect(stdout).toContain('2:4, 17 linears otherwise');
});

test('the store is sound, to verify and to a reader written from the specification alone', async () => {
  expect((await esparse('verify', '--store', at('mixed'))).code).toBe(0);
  const reader = path.join(REPOSITORY, 'test/python/read_store.py');
  const { stdout } = await promisify(execFile)('python3', [reader, at('mixed')]);
  const { blocks } = JSON.parse(stdout) as {
    blocks: Record<string, { linears: Record<string, { pattern: string }> }>;
  };
  for (const [block, { linears }] of Object.entries(blocks)) {
    for (const name of LINEARS) expect(linears[name]?.pattern).toBe(expected(Number(block), name));
  }
});

test('the engine and ONNX Runtime agree on it, and generate reads it', async () => {
  const evaluate = async (...args: string[]) =>
    (
      await esparseJson(
        'eval',
        '--store',
        at('mixed'),
        '--text',
        EXAMPLE_EVALUATION,
        '--seqlen',
        '128',
        ...args,
      )
    ).perplexity as number;
  const native = await evaluate();
  expect(Math.abs(native / (await evaluate('--engine', 'onnx')) - 1)).toBeLessThan(1e-5);
  const args = ['generate', '--store', at('mixed'), '--prompt', 'The old man', '--max-tokens', '8'];
  expect(await esparseJson(...args)).toMatchObject({ tokens: 8 });
});

test('what was planned is what the run takes, pattern by pattern', async () => {
  const plan = (await esparseJson('plan', ...MODEL, ...SIZE, ...LAYERS)) as {
    patterns: { pattern: string; linears: number }[];
    store: { arrays: number; bytes: number };
    wire: { pruner: number };
  };
  const { arrays, all } = await bytesOfRun(path.join(at('mixed'), 'runs', String(mixed.run)));
  expect(plan.store.arrays).toBe(arrays);
  expect(plan.patterns).toMatchObject([
    { pattern: 'dense', linears: 14 },
    { pattern: '4:8', linears: 3 },
    { pattern: '2:4', linears: 11 },
  ]);
  const { stdout } = await esparse('plan', ...MODEL, ...SIZE, ...LAYERS);
  expect(stdout).toContain('  4:8, 3 linears: blocks.{0..2}.down_proj\n');
  expect(Math.abs(plan.store.bytes / all - 1)).toBeLessThan(0.01);
  const wire = mixed.wireBytes as number;
  expect(wire).toBeGreaterThanOrEqual(plan.wire.pruner);
  expect(wire).toBeLessThan(plan.wire.pruner * 1.02 + 64 * 1024);
});

test('statistics of workers and of the pruner give one store', async () => {
  expect((await prune('combined', ...LAYERS, '--combine', 'worker')).run).toBe(mixed.run);
});

test('rules that change nothing leave the run its name; others give another, and --resume says which linears differ', async () => {
  const plain = await prune('plain');
  expect((await prune('plain', '--layer', '*=2:4')).run).toBe(plain.run);
  const args = ['prune', ...MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at('plain'), ...SIZE];
  expect(await esparse(...args, '--resume', '--layer', '*.o_proj=dense')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      'the option layer (blocks.0.o_proj: the pattern of the run there, dense here, and 3 more linears)',
    ),
  });
});

test('a rule that cannot be read, names nothing or does not divide is refused before anything is written', async () => {
  for (const [rule, message] of [
    ['*.o_proj', 'is no layer rule'],
    ['*.fc1=dense', 'the linears are blocks.{0..3}.{q_proj,'],
    ['blocks.1.q_proj=2:5', 'blocks.1.q_proj has 192 inputs, not a multiple of the 5'],
  ] as const) {
    for (const command of [
      ['plan', ...MODEL],
      ['prune', ...MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at('none')],
    ]) {
      expect(await esparse(...command, '--layer', rule)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(message),
      });
    }
  }
  expect((await esparse('inspect', '--store', at('none'))).code).toBe(2);
});
