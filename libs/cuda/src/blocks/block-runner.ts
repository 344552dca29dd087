import { EsparseError } from '@esparse/errors';
import { inHugePages } from '@esparse/kernels';
import {
  areF32,
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  kindOf,
  neededFor,
  ofKind,
  requireSeqlen,
  type BlockRunner,
  type DeviceStates,
  type HiddenValues,
  type LoadedBlock,
  type ModelDescription,
  type TapOutput,
} from '@esparse/model';
import { arithmeticId, type Gpu } from '../arithmetic.ts';
import { loadParameters, releaseParameters } from './parameters.ts';
import { createReadMemory } from './read-memory.ts';
import { requireBlocksRun } from './require-runnable.ts';
import { createRopeCache, runProgram } from './run-program.ts';
import { allocateMatrix, convert, type DeviceMatrix } from './values.ts';

/**
 * Version of the arithmetic. Any change that may change a bit of an activation increases it: another kernel, another order,
 * another size of the attention's chunks.
 */
const BLOCK_VERSION = 3;

/** Outputs that are on their way to the host at once: one is copied by the GPU and one by the host, while the next is computed. */
export const OUTPUTS_LEAVING = 3;

/** Prepares to run the blocks of a model on a GPU, which stays open when the runner is released. */
export interface CudaBlockRunnerOptions {
  readonly gpu: Gpu;
  /** Tokens of a sequence. */
  readonly seqlen: number;
}

/**
 * Runs the blocks of one model on a GPU: activations bf16, sums and the residual stream f32. `hidden` is of any number of
 * whole sequences, which are computed together. Bits depend on that number: a shard is always run as a whole.
 *
 * @throws EsparseError 'unsupported' for blocks that the kernels do not run, 'usage' for a seqlen out of the model's range
 */
export function createCudaBlockRunner(
  description: ModelDescription,
  { gpu, seqlen }: CudaBlockRunnerOptions,
): BlockRunner {
  requireSeqlen(description, seqlen);
  requireBlocksRun(description);
  gpu.load('block');
  const ropes = createRopeCache(gpu, seqlen);
  const memory = createReadMemory();
  const held = new Set<ReadonlyMap<string, DeviceMatrix>>();
  const leaving = new Set<Promise<void>>();
  const drop = (parameters: ReadonlyMap<string, DeviceMatrix>) => {
    if (held.delete(parameters)) releaseParameters(gpu, parameters);
  };
  return {
    numerics: numericsOf(gpu, seqlen),
    async load(block, weights, signal) {
      const parameters = await loadParameters({ gpu, description, weights, memory }, block, signal);
      held.add(parameters);
      const run = (hidden: HiddenValues | DeviceStates, show: Visits) => {
        if (!held.has(parameters)) throw new EsparseError('internal', 'the block has been released');
        runBlock({ gpu, description, seqlen, parameters, ropes, block, hidden, show });
      };
      return loadedBlock({ gpu, description, seqlen, block, run, leaving }, () => {
        drop(parameters);
      });
    },
    release() {
      for (const parameters of [...held]) drop(parameters);
      ropes.release();
      gpu.trim();
      return Promise.resolve();
    },
  };
}

/** Names the arithmetic of blocks on a GPU: see `BlockRunner`. */
function numericsOf(gpu: Gpu, seqlen: number): string {
  return `${arithmeticId(gpu)}/rows-${seqlen}/block-${BLOCK_VERSION}`;
}

/** What becomes of values, by their names, as soon as they are made. */
type Visits = ReadonlyMap<string, (value: DeviceMatrix) => void>;

interface Runnable extends Pick<BlockRun, 'gpu' | 'description' | 'seqlen' | 'block'> {
  readonly run: (hidden: HiddenValues | DeviceStates, show: Visits) => void;
  /** Outputs that are on their way to the host. */
  readonly leaving: Set<Promise<void>>;
}

function loadedBlock(
  { gpu, description, seqlen, block, run, leaving }: Runnable,
  release: () => void,
): Required<LoadedBlock> {
  const names = ofKind(description.taps, kindOf(description.program, block)).map(({ name }) => name);
  /** The wanted values on the host, as f32. */
  const values = (hidden: HiddenValues, wanted: readonly string[]): ReadonlyMap<string, TapOutput> => {
    const outputs = new Map<string, TapOutput>();
    const bring = (tap: string) => (value: DeviceMatrix) => {
      outputs.set(tap, {
        tap,
        rows: value.rows,
        channels: value.channels,
        data: broughtDown(gpu, value),
      });
    };
    run(hidden, new Map(wanted.map((name) => [name, bring(name)])));
    return outputs;
  };
  return {
    taps: (hidden, { taps = [] } = {}) => {
      const wanted = taps.length === 0 ? names : names.filter((name) => taps.includes(name));
      const found = values(hidden, wanted);
      return Promise.resolve(wanted.map((name) => found.get(name)!));
    },
    show: (hidden, visits) => {
      const shown = [...visits].map(([name, visit]) => {
        const unpacked = ({ memory, ...value }: DeviceMatrix) => {
          visit({ ...value, address: memory.address, seqlen });
        };
        return [name, unpacked] as const;
      });
      run(hidden, new Map(shown));
      return Promise.resolve();
    },
    advance: (hidden) => Promise.resolve(values(hidden, [BLOCK_OUTPUT]).get(BLOCK_OUTPUT)!.data),
    advanceRounded: async (hidden, { into, visit, stays = false } = {}) => {
      const { length } = hidden;
      while (leaving.size >= OUTPUTS_LEAVING) await Promise.race(leaving);
      // All of it is written: clearing it first would take as long as the block.
      const output =
        stays || into?.length === length
          ? (into ?? new Uint16Array(0))
          : inHugePages(new Uint16Array(Buffer.allocUnsafeSlow(2 * length).buffer));
      let landed: Promise<void> | undefined;
      const bring = (value: DeviceMatrix) => {
        const rounded = allocateMatrix(gpu, value.rows, value.channels, 'bf16');
        const { address } = rounded.memory;
        convert(gpu, value, rounded);
        visit?.({ address, length });
        if (stays) {
          gpu.release(rounded.memory);
          return;
        }
        // The next shard is computed meanwhile.
        const left = gpu.downloadBeside(address, output).finally(() => {
          gpu.release(rounded.memory);
          leaving.delete(left);
        });
        leaving.add(left);
        landed = left;
      };
      run(hidden, new Map([[BLOCK_OUTPUT, bring]]));
      await landed;
      return output;
    },
    release: () => {
      release();
      return Promise.resolve();
    },
  };
}

interface BlockRun {
  readonly gpu: Gpu;
  readonly description: ModelDescription;
  readonly seqlen: number;
  readonly parameters: ReadonlyMap<string, DeviceMatrix>;
  readonly ropes: ReturnType<typeof createRopeCache>;
  readonly block: number;
  readonly hidden: HiddenValues | DeviceStates;
  readonly show: Visits;
}

/** Runs a block as far as the values that are shown need it. */
function runBlock({ gpu, description, show, ...run }: BlockRun): void {
  const { hidden, seqlen, parameters, ropes } = run;
  const rows = hidden.length / description.hidden;
  if (hidden.length === 0 || rows % seqlen !== 0) {
    throw new EsparseError(
      'internal',
      `hidden states of ${hidden.length} values, not of sequences of ${seqlen} x ${description.hidden}`,
    );
  }
  const { program } = description;
  const ops = neededFor(program.blocks[kindOf(program, run.block)]!, [...show.keys()]);
  const input = allocateMatrix(gpu, rows, description.hidden, 'f32');
  try {
    placeStates(gpu, hidden, input);
    runProgram(ops, new Map([[BLOCK_INPUT, input]]), {
      ...{ gpu, description, seqlen, parameters, ropes, show },
    });
  } finally {
    gpu.release(input.memory);
  }
}

/** Takes hidden states as f32, from the host or from where they are on the GPU. */
function placeStates(gpu: Gpu, hidden: HiddenValues | DeviceStates, to: DeviceMatrix): void {
  if ('address' in hidden) {
    const bytes = 2 * hidden.length;
    convert(gpu, { ...to, memory: { address: hidden.address, bytes }, type: 'bf16' }, to);
    return;
  }
  if (areF32(hidden)) {
    gpu.upload(to.memory.address, hidden);
    return;
  }
  const rounded = allocateMatrix(gpu, to.rows, to.channels, 'bf16');
  gpu.upload(rounded.memory.address, hidden);
  convert(gpu, rounded, to);
  gpu.release(rounded.memory);
}

function broughtDown(gpu: Gpu, value: DeviceMatrix): Float32Array {
  const out = inHugePages(new Float32Array(value.rows * value.channels));
  if (value.type === 'f32') {
    gpu.download(value.memory.address, out);
    return out;
  }
  const widened = allocateMatrix(gpu, value.rows, value.channels, 'f32');
  convert(gpu, value, widened);
  gpu.download(widened.memory.address, out);
  gpu.release(widened.memory);
  return out;
}
