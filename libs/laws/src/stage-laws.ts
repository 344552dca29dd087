import { isDeepStrictEqual } from 'node:util';
import { everyCase, must, type LawOptions } from './every-case.ts';
import {
  dealtOrder,
  linearCases,
  readingsOf,
  showLinear,
  type LawfulReaders,
  type LinearCase,
} from './linear-cases.ts';
import { maskOfLargest, whereNotPattern } from './masks.ts';

/** What the laws need of a stage: any `Stage` of esparse is one. */
export interface LawfulStage {
  readonly name: string;
  readonly statistics: LawfulReaders;
  run(input: never, context: never): Promise<{ readonly weights?: Uint16Array; readonly mask?: Uint8Array }>;
}

/** Exponents of all ones: infinities and NaN. */
export const NOT_FINITE = { bf16: 0x7f80, f16: 0x7c00 };

/**
 * Checks the laws of a stage on drawn linears, masks and orders, with readings that its own statistics make of drawn
 * activations: weights of the linear's size and finite, a mask of the pattern, the same from the same input, which stays
 * as it was.
 *
 * @throws Error that names stage, law and a linear that breaks it
 */
export async function stageLaws(stage: LawfulStage, options: LawOptions = {}): Promise<void> {
  const context = { signal: new AbortController().signal, note: ignore, progress: ignore };
  const inputOf = async (example: LinearCase) => {
    const { rows, cols, dtype, bits, pattern, draws } = example;
    const statistics = await readingsOf(stage.statistics, example);
    const weights = Uint16Array.from(bits);
    const mask = maskOfLargest(draws, rows, cols, pattern);
    return { rows, cols, dtype, weights, statistics, pattern, permutation: dealtOrder(example), mask };
  };
  const check = async (example: LinearCase) => {
    const { rows, cols, dtype, pattern } = example;
    const input = await inputOf(example);
    const before = await inputOf(example);
    const { weights, mask } = await stage.run(input as never, context as never);
    if (weights !== undefined) {
      must(weights.length === rows * cols, `${weights.length} weights for ${rows} x ${cols}`);
      const infinite = weights.findIndex((bits) => (bits & NOT_FINITE[dtype]) === NOT_FINITE[dtype]);
      must(infinite < 0, `weight ${infinite} is not finite`);
    }
    if (mask !== undefined) {
      must(mask.length === before.mask.length, `a mask of ${mask.length} bytes, not ${before.mask.length}`);
      const where = whereNotPattern(mask, rows, cols, pattern);
      must(where === undefined, `its mask is not ${pattern.keep}:${pattern.group}: ${where}`);
    }
    must(isDeepStrictEqual(input, before), 'its input is changed');
    const kept = { weights: weights?.slice(), mask: mask?.slice() };
    const again = await stage.run((await inputOf(example)) as never, context as never);
    must(
      isDeepStrictEqual({ weights: again.weights, mask: again.mask }, kept),
      'the same input gives another result',
    );
  };
  await everyCase(`stage ${stage.name}`, linearCases, check, showLinear, options);
}

function ignore(): void {
  // Notes and progress are not looked at.
}
