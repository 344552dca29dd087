import { survivorsOf, type Values } from '../backend.ts';
import type { TunedParameter } from '../tune-block.ts';
import type { CudaArithmetic } from '@esparse/cuda';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';

/** Where a parameter lies on the device. */
export interface LearntParameter {
  /** f32 */
  readonly master: number;
  /** bf16 */
  readonly copy: number;
  /** f32; nothing where it is fixed. */
  readonly gradient: number | undefined;
}

/** The parameters of a block on the device, one behind the other, those that are learnt first. */
export interface Parameters {
  readonly of: (slot: string) => LearntParameter;
  /** Adam's step. @param rates of all steps, @param step the number of this one: addresses */
  readonly step: (rates: number, step: number) => void;
  /** As they are on the device. */
  readonly gradients: () => Values;
  readonly keep: () => void;
  readonly kept: () => Values;
  readonly place: (values: Values) => void;
}

/** Elements by which each parameter begins: matrix products want whole lines of memory. */
const ALIGNMENT = 64;
/** Bytes of a value that is learnt: master, copy, gradient, two means, the mask, the best yet; and of one that is fixed. */
export const LEARNT_BYTES = 4 + 2 + 4 + 4 + 4 + 1 + 4;
export const FIXED_BYTES = 4 + 2;

export function createParameters(
  gpu: CudaArithmetic,
  kernels: Kernels,
  take: TakeMemory,
  given: ReadonlyMap<string, TunedParameter>,
): Parameters {
  const isLearnt = ({ fixed = false }: TunedParameter) => !fixed;
  const learnt = [...given].filter(([, parameter]) => isLearnt(parameter));
  const ordered = [...learnt, ...[...given].filter(([, parameter]) => !isLearnt(parameter))];
  const offsets = new Map<string, number>();
  let end = 0;
  let count = 0;
  for (const [slot, parameter] of ordered) {
    offsets.set(slot, end);
    end += Math.ceil(parameter.values.length / ALIGNMENT) * ALIGNMENT;
    if (isLearnt(parameter)) count = end;
  }
  const [masters, copies] = [take(4 * end), take(2 * end)];
  const [gradients, means, squares, best] = [
    take(4 * count),
    take(4 * count),
    take(4 * count),
    take(4 * count),
  ];
  const mask = take(count);
  for (const sums of count > 0 ? [gradients, means, squares] : []) gpu.fill(sums, 0, 4 * count);
  gpu.fill(masters, 0, 4 * end);
  if (count > 0) gpu.fill(mask, 0, count);
  for (const [slot, parameter] of ordered) {
    const at = offsets.get(slot)!;
    gpu.upload(masters + 4 * at, isLearnt(parameter) ? survivorsOf(parameter) : parameter.values);
    if (!isLearnt(parameter)) continue;
    if (parameter.mask === undefined) gpu.fill(mask + at, 1, parameter.values.length);
    else gpu.upload(mask + at, parameter.mask);
  }
  /** What becomes integers: its arguments of the kernel, and how many spans it has. */
  const integersOf = (slot: string, { values, rounding }: TunedParameter) => {
    if (rounding === undefined) return [];
    const { bits, positions, permutation } = rounding;
    const order = take(4 * permutation.length);
    gpu.upload(order, permutation);
    const columns = permutation.length;
    const [rows, spans] = [values.length / columns, Math.ceil(columns / positions)];
    const at = offsets.get(slot)!;
    const pointers = [masters + 4 * at, copies + 2 * at, mask + at, order];
    const given = [...pointers.map((pointer) => ({ pointer })), rows, columns, positions, spans, bits];
    return [{ count: rows * spans, given }];
  };
  const integers = ordered.flatMap(([slot, parameter]) => integersOf(slot, parameter));
  /** The copies of what will be integers become these. */
  const toIntegers = () => {
    for (const { count: spans, given: all } of integers) kernels.rows('integers', spans, all);
  };
  const round = () => {
    const to = { address: copies, type: 'bf16', accumulate: false } as const;
    const from = { address: masters, type: 'f32' } as const;
    kernels.elements('scale', end / 8, [from, { float: 1 }, to, { long: end / 8 }]);
    toIntegers();
  };
  round();
  const keep = () => {
    if (count > 0) gpu.copy(best, masters, 4 * count);
  };
  keep();
  /** Values of those that are learnt. */
  const read = (from: number): Values =>
    new Map(
      learnt.map(([slot, { values }]) => {
        const found = new Float32Array(values.length);
        gpu.download(from + 4 * offsets.get(slot)!, found);
        return [slot, found];
      }),
    );
  return {
    of(slot) {
      const at = offsets.get(slot)!;
      const gradient = at < count ? gradients + 4 * at : undefined;
      return { master: masters + 4 * at, copy: copies + 2 * at, gradient };
    },
    step(rates, step) {
      const pointers = [masters, copies, means, squares, gradients, mask, rates, step];
      kernels.elements('adam', count / 8, [...pointers.map((pointer) => ({ pointer })), { long: count / 8 }]);
      toIntegers();
    },
    keep,
    gradients: () => read(gradients),
    kept: () => read(best),
    place(values) {
      for (const [slot] of learnt) gpu.upload(masters + 4 * offsets.get(slot)!, values.get(slot)!);
      round();
    },
  };
}
