/** The laws of `test/cuda` about blocks, tuning and pruning, on a GPU that is emulated on the processor. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';
import { EMULATED_TIMEOUT_MS } from '../support/short-prunes.ts';

jest.setTimeout(EMULATED_TIMEOUT_MS);

const at = scratchFolder();
let gpu: NodeJS.ProcessEnv;
beforeAll(() => {
  gpu = emulatedGpu(at('gpu'));
});

test('blocks of every family are those of the processor, or refused by name', async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/block-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 16$/m);
});

test('gradients of every family are those of the processor, and so is what is learnt', async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/tuning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 19$/m);
});

test("gradients of a whole model and the losses of steps down them are PyTorch's, in parts, too", async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/model-tuning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 7$/m);
});

test("Hessians' sums, solutions and masks are those of the processor up to rounding, orders to the bit", async () => {
  const laws = path.join(REPOSITORY, 'test/dist/cuda/pruning-laws.js');
  const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
  expect(stdout).toMatch(/^# pass 20$/m);
});

test('tuning blocks of real sizes asks for nothing that a GPU does not take', async () => {
  const shapes = path.join(REPOSITORY, 'test/dist/cuda/tuning-shapes.js');
  const idle = { ...gpu, FAKE_CUDA: `idle=1 memory=${140 * 2 ** 30}` };
  const { stdout } = await promisify(execFile)(process.execPath, [shapes], { env: idle });
  // Losses are all 0 there: it ends early.
  expect(JSON.parse(stdout)).toEqual({ small: 120, wide: 120, long: 120 });
});

test('tuning models of real sizes as a whole asks for nothing that a GPU does not take, nor for more memory than is free', async () => {
  const shapes = path.join(REPOSITORY, 'test/dist/cuda/model-tuning-shapes.js');
  const idle = { ...gpu, FAKE_CUDA: `idle=1 memory=${140 * 2 ** 30}` };
  const { stdout } = await promisify(execFile)(process.execPath, [shapes], { env: idle });
  const whole = { steps: 40, told: [] };
  const inParts = { steps: 40, told: ['a batch of 16 sequences goes through the model 4 at a time'] };
  expect(JSON.parse(stdout)).toEqual({
    small: { ...whole, held: 6.7 },
    'small of little room': { ...inParts, held: 5.7 },
    wide: { ...whole, held: 33.4 },
    'wide of little room': { ...inParts, held: 22.5 },
    odd: { ...whole, held: 4 },
  });
});
