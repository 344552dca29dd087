/** The laws of `test/cuda` about blocks, tuning and pruning, on a GPU that is emulated on the processor. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();
const gpu = emulatedGpu(at);

/** What a program of `test/cuda` prints there. */
async function printed(
  program: string,
  environment: NodeJS.ProcessEnv,
  ...options: string[]
): Promise<string> {
  const file = path.join(REPOSITORY, 'test/dist/cuda', `${program}.js`);
  const { stdout } = await promisify(execFile)(process.execPath, [...options, file], { env: environment });
  return stdout;
}

const laws = (program: string) => printed(program, gpu, '--test');

/** What programs ask of a GPU that computes nothing, and has much memory. */
async function askedFor(program: string): Promise<unknown> {
  return JSON.parse(await printed(program, { ...gpu, FAKE_CUDA: `idle=1 memory=${140 * 2 ** 30}` }));
}

test('blocks of every family are those of the processor, or refused by name', async () => {
  expect(await laws('block-laws')).toMatch(/^# pass 16$/m);
});

test('gradients of every family are those of the processor, and so is what is learnt', async () => {
  expect(await laws('tuning-laws')).toMatch(/^# pass 19$/m);
});

test("gradients of a whole model and the losses of steps down them are PyTorch's, in parts, too", async () => {
  expect(await laws('model-tuning-laws')).toMatch(/^# pass 7$/m);
});

test("Hessians' sums, solutions and masks are those of the processor up to rounding, orders to the bit", async () => {
  expect(await laws('pruning-laws')).toMatch(/^# pass 21$/m);
});

test('tuning blocks of real sizes asks for nothing that a GPU does not take', async () => {
  const asked = await askedFor('tuning-shapes');
  // Losses are all 0 there: it ends early.
  expect(asked).toEqual({ small: 120, wide: 120, long: 120 });
});

test('tuning models of real sizes as a whole asks for nothing that a GPU does not take, nor for more memory than is free', async () => {
  const asked = await askedFor('model-tuning-shapes');
  const whole = { steps: 40, told: [] };
  const inParts = { steps: 40, told: ['a batch of 16 sequences goes through the model 4 at a time'] };
  expect(asked).toEqual({
    small: { ...whole, held: 6.7 },
    'small of little room': { ...inParts, held: 5.7 },
    wide: { ...whole, held: 33.4 },
    'wide of little room': { ...inParts, held: 22.5 },
    odd: { ...whole, held: 4 },
  });
});
