import { spawnSync } from 'node:child_process';
import path from 'node:path';

const ADDON = path.join(import.meta.dirname, '../../build/Release/esparse_kernels.node');

/**
 * Runs a script in a process of its own, with `linear(addon, …)` to make a dense linear and apply it some times. Its status
 * is the signal's name where one ended it.
 */
function run(script: string): { status: number | string | null; output: string } {
  const linear = `function linear(addon, times, threads = 2) {
    const weights = new Float32Array(512 * 512).fill(0.5);
    const handle = addon.createDenseLinear(addon.createCompute(addon.instructionSets()[0], threads), 'f32', 512, 512, weights, null);
    const y = new Float32Array(512);
    for (let i = 0; i < times; i++) addon.applyLinear(handle, new Float32Array(512).fill(1), 1, y);
    // The linear has the weights' address alone: they are looked at after its last use, so that they live until then.
    return y.every((value) => value === 512 * weights[0]) ? 'right' : 'wrong';
  }`;
  const prelude = `const ADDON = ${JSON.stringify(ADDON)}; const LINEAR = ${JSON.stringify(linear)}; eval(LINEAR + '; globalThis.linear = linear');
    const { Worker } = require('node:worker_threads');
    const worker = (code) => new Worker('const addon = require(' + JSON.stringify(ADDON) + ');' + LINEAR + code, { eval: true });`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', `${prelude}${script}`], {
    // For what hangs, on a busy machine too.
    timeout: 240_000,
  });
  return { status: status ?? signal, output: stdout.toString() + stderr.toString() };
}

test('worker threads that compute at the same time, on any number of threads, all get their results', () => {
  const { status, output } = run(`
    const code = (threads) => "require('node:worker_threads').parentPort.postMessage(linear(addon, 300, " + threads + "));";
    const addon = require(ADDON);
    for (let i = 0; i < 4; i++) worker(code(1 + i)).on('message', (it) => console.log(it));
    for (let i = 0; i < 50; i++) linear(addon, 3, 1 + i % 4);
    console.log(linear(addon, 100));`);
  expect({ status, output }).toEqual({ status: 0, output: 'right\n'.repeat(5) });
});

test('the process goes on, and ends, after the only worker thread that used the kernels has ended', () => {
  const { status, output } = run(`
    worker('linear(addon, 20)').on('exit', (code) => setTimeout(() => console.log('ended with ' + code), 200));`);
  expect({ status, output }).toEqual({ status: 0, output: 'ended with 0\n' });
});

// At some of these moments the thread is between two kernels, at others making a linear or in the middle of one.
test.each([60, 67, 74, 81, 200])(
  'a process ends while its compute threads are idle or a worker thread is in a kernel, after %i ms',
  (delay) => {
    const { status, output } = run(`
    worker('for (;;) linear(addon, 3)').on('online', () => setTimeout(() => process.exit(7), ${delay}));`);
    expect({ status, output }).toEqual({ status: 7, output: '' });
  },
);

const testOnLinux = process.platform === 'linux' ? test : test.skip;

testOnLinux(
  'a process has as many threads as the largest call asked for, and one thread needs no other',
  () => {
    const { status, output } = run(`
    const addon = require(ADDON);
    const threads = () => require('node:fs').readdirSync('/proc/self/task').length;
    const before = threads();
    for (const asked of [1, 3, 1, 2, 4]) {
      linear(addon, 20, asked);
      console.log(threads() - before);
    }`);
    expect({ status, output }).toEqual({ status: 0, output: '0\n2\n2\n2\n3\n' });
  },
);
