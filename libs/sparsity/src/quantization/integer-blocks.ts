import { narrow, numberAt, placesOf, quantizedLayout, scaleAt, widenReference } from '@esparse/kernels';
import { checkQuantizedLinear, type QuantizedLinear } from './quantized-linear.ts';

/** Elements of a row that share a scale in other formats: ggml's Q8_0 and Q4_0. */
const ELEMENTS = 32;

/** A matrix as whole numbers, 0 where pruned, with a scale for each 32 consecutive elements of a row. */
export interface IntegerBlocks {
  /** (rows, cols), in the original order of the channels. */
  readonly integers: Int8Array;
  /** (rows, cols / 32), as the bits of f16. */
  readonly scales: Uint16Array;
}

/**
 * Whether blocks of 32 elements with a scale in f16 hold a quantized linear exactly: where its channels lie in their original
 * order, every scale is for whole blocks, and f16 has all scales.
 */
export function fitsBlocks({
  cols,
  pattern,
  span,
  permutation,
  scales,
}: Pick<QuantizedLinear, 'cols' | 'pattern' | 'span' | 'permutation' | 'scales'>): boolean {
  if (cols % ELEMENTS !== 0 || (span * pattern.group) % ELEMENTS !== 0) return false;
  if (permutation?.some((channel, i) => channel !== i) === true) return false;
  const exact = widenReference('bf16', scales);
  const halves = widenReference('f16', narrow('f16', exact));
  return exact.every((scale, i) => scale === halves[i]);
}

/** @throws EsparseError 'store' where its arrays are not what `packQuantized` writes */
export function integerBlocks(linear: QuantizedLinear): IntegerBlocks {
  checkQuantizedLinear(linear);
  const { rows, cols, pattern, bits, span, values } = linear;
  const shape = { rows, cols, ...pattern, bits, span };
  const layout = quantizedLayout(shape);
  const places = placesOf(shape, linear.indices);
  const survivors = layout.groups * pattern.keep;
  const integers = new Int8Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < survivors; n++)
      integers[r * cols + places[r * survivors + n]!] = numberAt(values, layout, bits, r, n);
  }
  const halves = narrow('f16', widenReference('bf16', linear.scales));
  const blocks = cols / ELEMENTS;
  const scales = Uint16Array.from({ length: rows * blocks }, (_, at) => {
    const [r, block] = [Math.floor(at / blocks), at % blocks];
    return halves[scaleAt(layout, r, Math.floor((block * ELEMENTS) / (span * pattern.group)))]!;
  });
  return { integers, scales };
}
