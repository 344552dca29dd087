import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
let run: string;
beforeAll(async () => {
  const from = ['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION];
  const pruned = await esparseJson(
    'prune',
    ...from,
    '--samples',
    '8',
    '--seqlen',
    '64',
    '--store',
    at('store'),
  );
  run = pruned.run as string;
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 20_000));
});

const evaluate = (...args: string[]) =>
  esparseJson('eval', '--text', at('text.txt'), '--seqlen', '128', ...args);

test('a store has the same perplexity by the engine, its default, and by ONNX Runtime', async () => {
  const native = await evaluate('--store', at('store'));
  const onnx = await evaluate('--store', at('store'), '--engine', 'onnx');
  expect([native.engine, onnx.engine]).toEqual(['native', 'onnx']);
  expect(native).toMatchObject({ tokens: onnx.tokens, windows: onnx.windows });
  expect(Math.abs((native.perplexity as number) / (onnx.perplexity as number) - 1)).toBeLessThan(1e-5);
});

test('a checkpoint has the same perplexity by the engine, its default, and by ONNX Runtime', async () => {
  const native = await evaluate('--model', EXAMPLE_MODEL);
  const onnx = await evaluate('--model', EXAMPLE_MODEL, '--engine', 'onnx');
  expect([native.engine, onnx.engine]).toEqual(['native', 'onnx']);
  expect(Math.abs((native.perplexity as number) / (onnx.perplexity as number) - 1)).toBeLessThan(1e-5);
});

test('a report of eval names what was evaluated: model, run, text and windows', async () => {
  const text = {
    file: at('text.txt'),
    sha256: createHash('sha256')
      .update(await readFile(at('text.txt')))
      .digest('hex'),
  };
  const common = { text, seqlen: 128, windows: expect.any(Number), bos: false };
  expect(await evaluate('--store', at('store'))).toMatchObject({ ...common, store: at('store'), run });
  const checkpoint = expect.stringMatching(/^[0-9a-f]{64}$/);
  expect(await evaluate('--model', EXAMPLE_MODEL)).toMatchObject({
    ...common,
    model: EXAMPLE_MODEL,
    checkpoint,
  });
});

test('a flipped bit ends eval and generate with 2 and the name of the chunk, unless they are told not to look', async () => {
  await cp(at('store'), at('flipped'), { recursive: true });
  const chunk = 'blocks/1/down_proj/values/c/0/0/0';
  const file = path.join(at('flipped'), 'runs', run, chunk);
  const bytes = await readFile(file);
  bytes[5000]! ^= 1;
  await writeFile(file, bytes);
  const named = { code: 2, stderr: expect.stringContaining(chunk) };
  const evaluates = ['eval', '--store', at('flipped'), '--text', at('text.txt'), '--seqlen', '128'];
  const generates = ['generate', '--store', at('flipped'), '--prompt', 'The old man', '--max-tokens', '4'];
  for (const args of [evaluates, generates]) {
    expect(await esparse(...args)).toMatchObject(named);
    expect(await esparse(...args, '--verify', 'background')).toMatchObject(named);
    expect(await esparse(...args, '--verify', 'none')).toMatchObject({ code: 0 });
  }
});

test('generate goes on with a checkpoint as with a store, and one of the two is named', async () => {
  const args = ['generate', '--prompt', 'Once upon a time', '--max-tokens', '8'];
  expect(await esparseJson(...args, '--model', EXAMPLE_MODEL)).toMatchObject({
    model: EXAMPLE_MODEL,
    tokens: 8,
    text: expect.stringContaining('there was'),
  });
  const both = await esparse(...args, '--model', EXAMPLE_MODEL, '--store', at('store'));
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be used with') });
  expect(await esparse(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--model') });
});

test('generate prints the text that follows a prompt, the same each time, or the same for a seed', async () => {
  const args = ['generate', '--store', at('store'), '--prompt', 'The old man', '--max-tokens', '20'];
  const { code, stdout } = await esparse(...args);
  expect(code).toBe(0);
  const report = await esparseJson(...args);
  expect(stdout).toBe(`${report.text as string}\n`);
  expect(report.text).not.toBe('');
  expect(report).toMatchObject({ finish: 'length', tokens: 20 });
  const drawn = (seed: string) =>
    esparseJson(...args, '--temperature', '1', '--top-p', '0.9', '--seed', seed);
  expect(await drawn('1')).toEqual(await drawn('1'));
  expect((await drawn('1')).text).not.toBe((await drawn('2')).text);
});

test('generate says what is wrong with a prompt, an option or a store', async () => {
  const generate = (...args: string[]) => esparse('generate', '--max-tokens', '4', ...args);
  expect(await generate('--store', at('store'), '--prompt', '')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('prompt is empty'),
  });
  expect((await generate('--store', at('store'), '--prompt', 'a', '--top-p', '2')).code).toBe(2);
  expect((await generate('--store', at('none'), '--prompt', 'a')).stderr).toContain(
    'is not an esparse store',
  );
});
