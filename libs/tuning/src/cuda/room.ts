import { EsparseError } from '@esparse/errors';
import type { TuningBackendOptions } from '../backend.ts';
import { countMemory } from './memory.ts';
import { FIXED_BYTES, LEARNT_BYTES } from './parameters.ts';
import { layPass, type BlockPlan } from './pass.ts';

/** Share of the free memory that is used: allocations are rounded up, and products have some of their own. */
const USED = 0.97;
/** What products work with. */
const WORKSPACE_BYTES = 32 * 2 ** 20;

/** How a block and its sequences lie in the memory of a device. */
export interface Room {
  /** Sequences that go through the block at a time: a batch, or a whole part of it. */
  readonly atOnce: number;
  /** Whether all sequences lie on the device. */
  readonly resident: boolean;
  readonly bytes: number;
  /** Bytes that are to be free for that. */
  readonly free: number;
}

/**
 * The most that fits: all sequences on the device where they can be, and as many at a time as there is room for.
 * @throws EsparseError 'unsupported' where a single sequence does not fit
 */
export function findRoom(
  plan: BlockPlan,
  {
    parameters,
    sequences,
    seqlen,
    batch,
  }: Pick<TuningBackendOptions, 'parameters' | 'sequences' | 'seqlen' | 'batch'>,
  freeBytes: number,
): Room {
  const { hidden } = plan.description;
  const states = 2 * 4 * sequences * seqlen * hidden;
  return roomFor(`a block of this ${plan.description.family} model`, freeBytes, {
    ...{ batch, states, fixed: parameterBytes(parameters) },
    // Beside the pass the targets of its sequences.
    through: (most) =>
      countMemory((take) => layPass(plan, { most, tokens: seqlen, back: true }, take)) +
      4 * most * seqlen * hidden,
  });
}

/** Bytes of parameters, and of what goes with them. */
export function parameterBytes(parameters: TuningBackendOptions['parameters']): number {
  let bytes = 0;
  for (const { values, fixed = false } of parameters.values())
    bytes += (fixed ? FIXED_BYTES : LEARNT_BYTES) * values.length;
  return bytes;
}

/** What is to find room. */
export interface Asked {
  readonly batch: number;
  /** Bytes of what is there in any case. */
  readonly fixed: number;
  /** Those of all sequences. */
  readonly states: number;
  /** What so many sequences take at once. */
  readonly through: (sequences: number) => number;
}

/**
 * The same for what is told in bytes.
 * @param what how messages name it
 */
export function roomFor(what: string, freeBytes: number, { batch, fixed, states, through }: Asked): Room {
  let least = Infinity;
  for (const resident of [true, false]) {
    for (let parts = 1; parts <= batch; parts++) {
      if (batch % parts !== 0) continue;
      const most = batch / parts;
      const bytes = fixed + through(most) + (resident ? states : 0);
      const free = (bytes + WORKSPACE_BYTES) / USED;
      if (free <= freeBytes) return { atOnce: most, resident, bytes, free };
      least = Math.min(least, bytes);
    }
  }
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new EsparseError(
    'unsupported',
    `tuning ${what} takes ${gib(least)} of the GPU's memory, of which ${gib(freeBytes)} are free`,
    {
      hint: 'use shorter sequences or a GPU with more memory, or tune block by block with `prune --device cpu`',
    },
  );
}
