import { integerFor, scaleFor, type RoundingOptions } from '@esparse/sparsity';

/** How a matrix's survivors, or all of its weights, will be stored: as integers of a row that share a scale. */
export interface IntegerRounding {
  readonly bits: RoundingOptions['bits'];
  /** Positions of a row, in the shuffled order, whose survivors share a scale. */
  readonly positions: number;
  /** (cols): the original channel at each position; each at its own where nothing is pruned. */
  readonly permutation: Int32Array;
}

/**
 * Writes what a matrix is once its survivors are integers times scales, with scales chosen for them as they are: the numbers
 * that `roundLinear` makes.
 *
 * @param values (rows, cols), in the original order of the channels
 * @param mask 1 where a weight survives; what is pruned becomes 0. All survive where there is none
 */
export function roundThrough(
  values: Float32Array,
  mask: Uint8Array | undefined,
  { bits, positions, permutation }: IntegerRounding,
  out: Float32Array,
): void {
  const cols = permutation.length;
  const kept = new Float32Array(positions);
  const places = new Int32Array(positions);
  for (let row = 0; row < values.length; row += cols) {
    for (let first = 0; first < cols; first += positions) {
      let count = 0;
      for (let i = first; i < Math.min(cols, first + positions); i++) {
        const at = row + permutation[i]!;
        if (mask?.[at] === 0) {
          out[at] = 0;
          continue;
        }
        kept[count] = values[at]!;
        places[count++] = at;
      }
      const scale = scaleFor(kept.subarray(0, count), bits);
      for (let k = 0; k < count; k++) out[places[k]!] = scale * integerFor(kept[k]!, scale, bits);
    }
  }
}

/** A parameter that may be stored as integers. */
interface Rounded {
  readonly mask?: Uint8Array | undefined;
  readonly rounding?: IntegerRounding | undefined;
}

/**
 * What a block is run with while its parameters are learnt: those that will be integers as these, in memory that the next
 * call writes over, and the others as they are.
 */
export function createRounding(
  parameters: ReadonlyMap<string, Rounded & { readonly values: Float32Array }>,
): (values: ReadonlyMap<string, Float32Array>) => ReadonlyMap<string, Float32Array> {
  const rounded = [...parameters].flatMap(([slot, { values, mask, rounding }]) =>
    rounding === undefined ? [] : [{ slot, mask, rounding, out: new Float32Array(values.length) }],
  );
  return (values) => {
    if (rounded.length === 0) return values;
    for (const { slot, mask, rounding, out } of rounded) roundThrough(values.get(slot)!, mask, rounding, out);
    return new Map([...values, ...rounded.map(({ slot, out }) => [slot, out] as const)]);
  };
}
