import type { Missing } from '@esparse/report-page';
import { prunedLinears, type Gathered } from './gathered.ts';
import type { ReportOptions } from './gather.ts';

/** What the page could show, and this store does not have: what it is, and how to get it. */
export function missingOf(
  gathered: Gathered,
  { log, frontier = [], roofline }: Pick<ReportOptions, 'log' | 'frontier' | 'roofline'>,
): Missing[] {
  const { attributes, blocks, detail, damage } = gathered;
  const missing: Missing[] = damage.map((what) => ({
    what,
    how: '`esparse verify` lists all damage; restore the store from a copy, or prune again into another one',
  }));
  const add = (what: string, how: string) => missing.push({ what, how });
  const open = blocks.filter(({ state }) => state === 'not committed').length;
  if (open > 0) {
    add(
      `${open} of ${blocks.length} blocks are not committed: the run has not come to its end`,
      'the same `esparse prune` command goes on with it',
    );
  }
  if (detail.everyBlock > 1) {
    add(
      `channels and masks are shown of every ${detail.everyBlock}th block, so that the page opens at once`,
      'figures of all blocks are in the depth chart and its table',
    );
  }
  const taps = blocks.flatMap((block) => block.taps);
  const has = (statistic: 'entropy' | 'amplitude') => taps.some((tap) => tap[statistic] !== undefined);
  if (prunedLinears(blocks).length > 0) {
    if (!has('entropy')) {
      add('the entropy of channels', 'prune with a pipeline that reads it, such as `--pipeline e-sparse`');
    }
    if (!has('amplitude')) {
      add('the amplitude of channels', 'prune with a pipeline that reads it, such as `--pipeline wanda`');
    }
  }
  const pruned = prunedLinears(blocks);
  if (pruned.length > 0 && pruned.every(({ linear }) => linear.outputError === undefined)) {
    add(
      'how much the output of each linear changes',
      'prune again with this version and without `--set outputError=false`; with a pipeline that reads no activations, also with `--figures`',
    );
  }
  if (pruned.length > 0 && attributes.options.figures !== true) {
    add(
      'the share of the score that is lost, how the error grows over the blocks, and the histograms of channels',
      'prune with `--figures`, which takes more time: of a small calibration a third, the less the larger it is',
    );
  } else if (pruned.length > 0) {
    if (has('entropy') && taps.every(({ shown }) => shown?.histogram === undefined))
      add('the histograms of channels', 'an older version has pruned: prune again with `--figures`');
    if (taps.every(({ shown }) => shown?.top === undefined))
      add(
        'the tokens that excite each channel most',
        'prune with `--figure-tokens`: the store then has the tokens of the calibration text',
      );
  }
  if (log === undefined) {
    add(
      'times, memory and workers, which are no part of a store',
      'keep what `esparse prune --json` prints, and give the file by `--events`',
    );
  }
  if (!frontier.some(({ perplexity }) => perplexity !== undefined)) {
    add(
      'perplexity',
      'name a text by `--text`; `--compare` sets other stores and checkpoints beside this one',
    );
  }
  if (roofline === undefined) add('the speed of decoding, and what bounds it', 'measure it by `--speed`');
  return missing;
}
