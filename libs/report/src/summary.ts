import { formatPattern } from '@esparse/sparsity';
import type { FrontierPoint } from '@esparse/report-page';
import { gainOf, prunedLinears, sizesOf, type Gathered, type PlacedLinear } from './gathered.ts';
import { linearInWords, percentInWords } from './words.ts';

/** What the pictures show, in sentences: what was done, what it did to the scores, and what it cost. */
export function summaryOf(gathered: Gathered, frontier: readonly FrontierPoint[]): string[] {
  const { blocks } = gathered;
  const committed = blocks.filter(({ state }) => state === 'committed').length;
  if (committed === 0) return ['No block of this run is committed yet: there is nothing to show.'];
  return [
    whatWasDone(gathered, committed),
    ...shuffleInWords(prunedLinears(blocks)),
    ...lossInWords(prunedLinears(blocks)),
    ...errorInWords(prunedLinears(blocks)),
    ...accumulatedInWords(blocks),
    ...perplexityInWords(frontier),
  ];
}

function whatWasDone({ title, attributes, blocks }: Gathered, committed: number): string {
  const { pipeline, pattern } = attributes.options;
  const { weights, bytes } = sizesOf(blocks);
  const part =
    committed === blocks.length ? '' : `, as far as it is (${committed} of ${blocks.length} blocks)`;
  const done =
    prunedLinears(blocks).length === 0
      ? `Nothing of ${title} was pruned`
      : `${title} was pruned to ${formatPattern(pattern)} by ${pipeline.name}`;
  return `${done}${part}: its linears take ${percentInWords(bytes / (2 * weights))} of their 16-bit bytes.`;
}

function shuffleInWords(linears: readonly PlacedLinear[]): string[] {
  const gains = linears.flatMap(({ block, linear }) => {
    const gain = gainOf(linear);
    return gain === undefined ? [] : [{ block, name: linear.name, gain }];
  });
  if (gains.length === 0) return [];
  const mean = gains.reduce((sum, { gain }) => sum + gain, 0) / gains.length;
  const most = gains.reduce((best, one) => (one.gain > best.gain ? one : best));
  const least = gains.reduce((best, one) => (one.gain < best.gain ? one : best));
  if (most.gain === 0) return ['Channels were left in their original order.'];
  return [
    `Another order of the channels keeps ${percentInWords(mean)} more of the score than the original one, on average: ` +
      `most in ${linearInWords(most.block, most.name)} (${percentInWords(most.gain)}), ` +
      `least in ${linearInWords(least.block, least.name)} (${percentInWords(least.gain)}).`,
  ];
}

function lossInWords(linears: readonly PlacedLinear[]): string[] {
  const losses = linears.flatMap(({ block, linear: { name, keptScore, totalScore } }) =>
    keptScore === undefined || totalScore === undefined || !(totalScore > 0)
      ? []
      : [{ block, name, loss: 1 - keptScore.after / totalScore }],
  );
  if (losses.length === 0) return [];
  const mean = losses.reduce((sum, { loss }) => sum + loss, 0) / losses.length;
  const most = losses.reduce((worst, one) => (one.loss > worst.loss ? one : worst));
  return [
    `What is pruned carried ${percentInWords(mean)} of the score, most in ` +
      `${linearInWords(most.block, most.name)} (${percentInWords(most.loss)}).`,
  ];
}

function errorInWords(linears: readonly PlacedLinear[]): string[] {
  const errors = linears.flatMap(({ block, linear: { name, outputError } }) =>
    outputError === undefined ? [] : [{ block, name, error: outputError }],
  );
  if (errors.length === 0) return [];
  const mean = errors.reduce((sum, { error }) => sum + error, 0) / errors.length;
  const most = errors.reduce((worst, one) => (one.error > worst.error ? one : worst));
  return [
    `The outputs of a linear change by ${percentInWords(mean)} on average, those of ` +
      `${linearInWords(most.block, most.name)} most (${percentInWords(most.error)}).`,
  ];
}

/** What the blocks have changed together, by the time a token reaches the last one. */
function accumulatedInWords(blocks: Gathered['blocks']): string[] {
  const known = blocks.filter(({ inputError }) => inputError !== undefined);
  const last = known.at(-1);
  if (known.length < 2 || last?.inputError === undefined) return [];
  return [
    `Before block ${last.block}, what the blocks have changed so far is ${percentInWords(last.inputError)} of what passes them.`,
  ];
}

function perplexityInWords(frontier: readonly FrontierPoint[]): string[] {
  const own = frontier.find(({ kind }) => kind === 'this')?.perplexity;
  if (own === undefined) return [];
  const others = frontier.flatMap(({ kind, name, perplexity }) =>
    kind === 'compared' && perplexity !== undefined ? [`${name} has ${perplexity.toFixed(2)}`] : [],
  );
  return [`Its perplexity is ${own.toFixed(2)}${others.length === 0 ? '' : `; ${others.join(', ')}`}.`];
}
