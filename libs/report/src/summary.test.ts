import type { Gathered } from './gathered.ts';
import { summaryOf } from './summary.ts';

/** A run with one linear, as far as its first sentence needs it. */
function sentenceOf(pattern: string | undefined): string | undefined {
  const linear = {
    name: 'q_proj',
    rows: 16,
    cols: 16,
    bytes: 144,
    permutationBytes: 0,
    denseBytes: 512,
    pattern,
  };
  const options = { pipeline: { name: 'wanda' }, pattern: { keep: 2, group: 4 } };
  const gathered = {
    title: 'mine',
    attributes: { options },
    blocks: [{ block: 0, state: 'committed', linears: [linear], taps: [] }],
  };
  return summaryOf(gathered as unknown as Gathered, [])[0];
}

test('a run is said to be pruned where it is, and not where all of its linears were left dense', () => {
  expect(sentenceOf('2:4')).toMatch(/^mine was pruned to 2:4 by wanda: its linears take/);
  expect(sentenceOf(undefined)).toMatch(/^Nothing of mine was pruned: its linears take/);
});
