import { once } from 'node:events';
import { esparseJson, esparseJsonWith, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { writeMixture } from '../support/mixture-model.ts';
import { EXAMPLE_CALIBRATION } from '../support/repository.ts';

const at = scratchFolder();
beforeAll(() => writeMixture(at('model')));

const pruning = (store: string, ...more: string[]) => [
  ...['prune', '--model', at('model'), '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--samples', '4', '--seqlen', '48', '--expert-tokens', '40', ...more],
];

test('a run over a mixture is the same, killed and resumed, or folded by workers, one expert at a time', async () => {
  const killed = await esparseUntil((line) => line.includes('"committed"'), ...pruning('one'), '--json');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const resumed = await esparseJson(...pruning('one'), '--resume');
  // So little that each expert is gathered by itself.
  const env = { ...process.env, ESPARSE_STATISTICS_MEMORY: '0.0001' };
  const folded = await esparseJsonWith({ env }, ...pruning('two', '--combine', 'worker'));
  expect(folded.run).toBe(resumed.run);
  expect(Number(resumed.blocksPruned)).toBeLessThan(3);
  expect(await contentsOf(at('two'))).toEqual(await contentsOf(at('one')));
});

test('another number of tokens that an expert must have seen is another run', async () => {
  const { run } = await esparseJson(...pruning('three', '--pipeline', 'magnitude'));
  const other = await esparseJson(...pruning('three', '--pipeline', 'magnitude', '--expert-tokens', '41'));
  expect(other.run).not.toBe(run);
});
