import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveUntilSilent } from '../support/falling-silent.ts';
import { scratchFolder } from '../support/folders.ts';
import { startInterruptible } from '../support/interrupted.ts';
import { childrenOf } from '../support/processes.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { pruneExample } from '../support/serve.ts';

const at = scratchFolder();

const prune = (model: string, store: string) => [
  ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--samples', '2', '--seqlen', '32', '--threads', '1', '--json'],
];

/** Acts at the first line that has a text, and not at those behind it: a second signal ends a command at once. */
function atFirst(output: Readable, text: string, act: () => void): void {
  const lines = createInterface(output).on('line', function hear(line) {
    if (!line.includes(text)) return;
    lines.off('line', hear);
    act();
  });
}

test('prune obeys the first signal where a web server sends its worker a byte and no more', async () => {
  // The pruner has opened the checkpoint, the worker is about to.
  const server = await serveUntilSilent(EXAMPLE_MODEL, { answers: 150, drips: true });
  const { ended, interrupt } = startInterruptible(...prune(server.url, 'drip'));
  await Promise.race([server.silent, ended]);
  interrupt();
  const { code, said } = await ended;
  server.close();
  expect({ code, said }).toEqual({
    code: 130,
    said: expect.stringMatching(/^stopped by SIGINT\n.*the same command/),
  });
});

test('Ctrl-C while the worker of prune starts ends with 130, says what is kept, and leaves no process', async () => {
  const { child, ended, interrupt } = startInterruptible(...prune(EXAMPLE_MODEL, 'starting'));
  // As soon as there is a worker, both are signalled.
  while ((await childrenOf(child.pid!)).length === 0) await sleep(5);
  interrupt();
  // Its standard error is that of its parent: it has closed when both have ended.
  expect(await ended).toEqual({
    code: 130,
    said: 'stopped by SIGINT\n  what was committed before is kept: the same command goes on from there\n',
  });
});

test('a run that is stopped says how many blocks are kept', async () => {
  const { child, ended } = startInterruptible(...prune(EXAMPLE_MODEL, 'stopped'));
  atFirst(child.stdout!, '"event":"committed"', () => child.kill('SIGTERM'));
  const { code, said } = await ended;
  expect(code).toBe(143);
  expect(said).toMatch(
    /^stopped by SIGTERM\n {2}[12] of 4 blocks are committed and kept: the same command goes on/,
  );
});

test('a server that is stopped while it opens its model ends with the code of the signal, and blames nobody', async () => {
  await pruneExample(at('store'));
  const { child, ended } = startInterruptible('serve', '--store', at('store'), '--port', '0');
  atFirst(child.stderr!, 'Server listening', () => child.kill('SIGTERM'));
  const { code, said } = await ended;
  expect(code).toBe(143);
  expect(said.trim().split('\n').at(-1)).toBe('stopped by SIGTERM');
});

test('SIGHUP ends no server: not while it opens its model, and not while it lets its streams end', async () => {
  await pruneExample(at('reloaded'));
  const { child, ended } = startInterruptible('serve', '--store', at('reloaded'), '--port', '0');
  createInterface(child.stderr!).on('line', (line) => {
    if (line.includes('Server listening') || line.includes('draining')) child.kill('SIGHUP');
  });
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout!).once('line', (line) => {
      resolve(line.replace('serving on ', ''));
    });
    child.once('exit', (code, signal) => {
      reject(new Error(`the server has ended: ${code ?? signal}`));
    });
  });
  const stream = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt: 'The', max_tokens: 1000, n: 16, stream: true }),
  });
  child.kill('SIGTERM');
  expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
  expect((await ended).code).toBe(0);
});
