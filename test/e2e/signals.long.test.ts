import { setTimeout as sleep } from 'node:timers/promises';
import { serveUntilSilent, type SilenceOptions } from '../support/falling-silent.ts';
import { scratchFolder } from '../support/folders.ts';
import { startInterruptible } from '../support/interrupted.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

// A bound of what hangs, not of what is slow: a dozen runs, one after another.
jest.setTimeout(600_000);

const at = scratchFolder();

const prune = (model: string, store: string) => [
  ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--samples', '2', '--seqlen', '32', '--threads', '1', '--json'],
];
const COMMANDS = {
  prune: (model: string) => prune(model, 'silent'),
  plan: (model: string) => ['plan', '--model', model],
  eval: (model: string) => ['eval', '--model', model, '--text', EXAMPLE_EVALUATION],
} as const;

/**
 * Requests that are answered before: none, some of the pruner's checkpoint, of the tokens' embedding, of the weights.
 */
test.each<[keyof typeof COMMANDS, SilenceOptions]>([
  ['prune', { answers: 0 }],
  ['prune', { answers: 3, drips: true }],
  ['prune', { answers: 170 }],
  ['prune', { answers: 286, drips: true }],
  ['plan', { answers: 0 }],
  ['plan', { answers: 50, drips: true }],
  ['eval', { answers: 107, drips: true }],
  ['eval', { answers: 125 }],
])('%s obeys the first signal where a server is silent or drips: %j', async (command, options) => {
  const server = await serveUntilSilent(EXAMPLE_MODEL, options);
  const { ended, interrupt } = startInterruptible(...COMMANDS[command](server.url));
  await Promise.race([server.silent, ended]);
  interrupt();
  const { code, said } = await ended;
  server.close();
  expect({ code, said }).toEqual({ code: 130, said: expect.stringMatching(/^stopped by SIGINT\n/) });
  if (command === 'prune') expect(said).toContain('the same command');
});

test('a sweep of Ctrl-C over a run: each instant ends with 130 and says that the same command goes on, or the run is done', async () => {
  const started = performance.now();
  expect(await startInterruptible(...prune(EXAMPLE_MODEL, 'undisturbed')).ended).toEqual({
    code: 0,
    said: '',
  });
  const duration = performance.now() - started;
  const INSTANTS = 12;
  for (let i = 0; i < INSTANTS; i++) {
    const { child, ended, interrupt } = startInterruptible(...prune(EXAMPLE_MODEL, `instant-${i}`));
    await Promise.race([sleep((duration * (i + 0.5)) / INSTANTS), ended]);
    if (child.exitCode === null) interrupt();
    const { code, said } = await ended;
    if (code === 0) continue;
    // Before a line of ours has run, the system ends the process: for a shell that is 130, too.
    if (code === null) expect([child.signalCode, said]).toEqual(['SIGINT', '']);
    else {
      expect(code).toBe(130);
      expect(said).toMatch(/^stopped by SIGINT(: nothing was begun\n|\n {2}.*the same command.*\n)$/);
    }
  }
});
