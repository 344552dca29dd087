/** `prune --device cuda:all`, on two GPUs that are emulated on the processor. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { emulatedGpu } from '../support/emulated-gpu.ts';
import { esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { ESPARSE } from '../support/repository.ts';
import { QUICK_SHUFFLE, shortPrunes } from '../support/short-prunes.ts';

const at = scratchFolder();
const prune = shortPrunes(at);
const gpu = emulatedGpu(at);

test('cuda:all is a worker for each GPU, and the store is that of one', async () => {
  const two = { ...gpu, FAKE_CUDA: 'count=2' };
  const reconstruct = ['--pipeline', 'e-sparse-reconstruct', '--set', 'steps=4', '--set', 'sweeps=1'];
  for (const [name, pipeline] of Object.entries({ plain: [], solved: reconstruct })) {
    const on = (store: string, device: string) =>
      prune(`${name}-${store}`, '--device', device, ...QUICK_SHUFFLE, ...pipeline, '--json');
    expect(await esparseWith(gpu, ...on('one', 'cuda'))).toMatchObject({ code: 0 });
    const { code, stdout } = await esparseWith(two, ...on('two', 'cuda:all'));
    expect({ name, code }).toEqual({ name, code: 0 });
    const started = stdout.split('\n').find((line) => line.includes('"started"'))!;
    expect((JSON.parse(started) as { workers: unknown[] }).workers).toHaveLength(2);
    expect(await contentsOf(at(`${name}-two`))).toEqual(await contentsOf(at(`${name}-one`)));
  }
});

test('a run on two GPUs that is killed while it solves goes on, and its store is that of one that was not', async () => {
  const two = { ...gpu, FAKE_CUDA: 'count=2' };
  const args = (store: string) => [
    ...prune(store, '--device', 'cuda:all', ...QUICK_SHUFFLE, '--pipeline', 'e-sparse-reconstruct'),
    ...['--set', 'steps=2', '--set', 'sweeps=1', '--layer', 'blocks.{2..3}.*=dense', '--json'],
  ];
  expect(await esparseWith(two, ...args('whole-two'))).toMatchObject({ code: 0 });
  // In the second block: by then the dense model's pass over it goes on beside the solving.
  await killedAt(two, args('killed-two'), (line) => line.includes('"linear"') && line.includes('"block":1'));
  expect(await esparseWith(two, ...args('killed-two'))).toMatchObject({ code: 0 });
  expect(await contentsOf(at('killed-two'))).toEqual(await contentsOf(at('whole-two')));
});

/** Runs a command until it prints such a line, and kills it at once. */
async function killedAt(env: NodeJS.ProcessEnv, args: string[], when: (line: string) => boolean) {
  const child = spawn(process.execPath, [ESPARSE, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    if (when(line)) child.kill('SIGKILL');
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
}
