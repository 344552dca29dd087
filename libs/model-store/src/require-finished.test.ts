import type { Run } from '@esparse/store';
import { requireFinished } from './index.ts';

const attributes = {
  config: { model_type: 'llama' },
  family: 'llama',
  blocks: 3,
  model: 'digest',
  tokens: 'digest',
  numerics: 'none',
  options: {
    pipeline: { name: 'wanda', version: 1, options: {} },
    pattern: { keep: 2, group: 4 },
    calibration: { samples: 1, seqlen: 1, seed: 0, bos: false },
    skipIndivisible: false,
  },
};

/** As much of a run as is asked for. */
function runWith(committed: readonly number[], finished: boolean): Run {
  const run: Partial<Run> = {
    fingerprint: 'a1b2',
    attributes,
    committedBlocks: () => Promise.resolve([...committed]),
    finished: () => Promise.resolve(finished),
  };
  return run as Run;
}

test('a run that is whole gives its attributes', async () => {
  expect(await requireFinished(runWith([0, 1, 2], true))).toEqual(attributes);
});

test.each([
  ['a block in the middle is missing', [0, 2], true, 'run a1b2 is not finished: block 1 is missing'],
  ['nothing is committed', [], false, 'run a1b2 is not finished: block 0 is missing'],
  ['it was not ended', [0, 1, 2], false, 'run a1b2 is not finished: it was not brought to its end'],
])('where %s, it is refused in these words', async (_, committed, finished, message) => {
  await expect(requireFinished(runWith(committed, finished))).rejects.toMatchObject({
    kind: 'store',
    message,
    hint: expect.stringContaining('esparse prune'),
  });
});
