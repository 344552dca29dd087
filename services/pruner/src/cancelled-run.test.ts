import { EsparseError } from '@esparse/errors';
import { cancelledRun } from './cancelled-run.ts';

const reason = new EsparseError('cancelled', 'stopped by SIGINT');

test.each([
  [undefined, /what was committed before is kept.* the same command/],
  [{ committed: 0, of: 4 }, /no block is committed yet: the same command/],
  [{ committed: 1, of: 4 }, /1 of 4 blocks are committed and kept: the same command goes on after them/],
  [{ committed: 4, of: 4 }, /all 4 blocks are committed: the same command finishes the run/],
])('a cancelled run with %j says what is kept and what to do', (blocks, words) => {
  const error = cancelledRun(reason, blocks === undefined ? {} : { blocks });
  expect(error).toMatchObject({ kind: 'cancelled', message: 'stopped by SIGINT' });
  expect(error.hint).toMatch(words);
});
