import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

jest.setTimeout(120_000);

const at = scratchFolder();
beforeAll(async () => {
  const from = ['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION];
  await esparseJson('prune', ...from, '--samples', '8', '--seqlen', '64', '--store', at('store'));
});

const evaluate = (...args: string[]) =>
  esparseJson('eval', '--text', EXAMPLE_EVALUATION, '--seqlen', '128', ...args);

test('a store has the same perplexity by the engine, its default, and by ONNX Runtime', async () => {
  const native = await evaluate('--store', at('store'));
  const onnx = await evaluate('--store', at('store'), '--engine', 'onnx');
  expect([native.engine, onnx.engine]).toEqual(['native', 'onnx']);
  expect(native).toMatchObject({ tokens: onnx.tokens, windows: onnx.windows });
  expect(Math.abs((native.perplexity as number) / (onnx.perplexity as number) - 1)).toBeLessThan(1e-5);
});

test('a checkpoint is evaluated by ONNX Runtime, and by nothing else', async () => {
  const args = ['eval', '--model', EXAMPLE_MODEL, '--text', EXAMPLE_EVALUATION, '--engine', 'native'];
  expect(await esparse(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--engine onnx') });
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
