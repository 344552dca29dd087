import { EsparseError } from '@esparse/errors';
import { embedTokens, type LoadedBlock } from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import {
  MAX_SHARD_TOKENS,
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
  requireProtocol,
  type RunRef__Output,
  type WorkerHandlers,
} from '@esparse/protocol';
import { openHidden, openStore } from '@esparse/store';
import type { Logger } from 'pino';
import { streamTiles } from './activations.ts';
import { serverStream, unary } from './handlers.ts';
import { createModelCache, type OpenModel } from './models.ts';
import type { PathGuard } from './roots.ts';
import { createSlot } from './slot.ts';

export interface WorkerServiceOptions {
  readonly threads: number;
  readonly guard: PathGuard;
  readonly log: Logger;
}

/** What a call works on, checked. */
interface Target {
  readonly modelPath: string;
  readonly storePath: string;
  readonly run: string;
  readonly seqlen: number;
}

/** The methods of `esparse.v1.Worker`. One model and one block are held at a time. */
export function createWorkerService({ threads, guard, log }: WorkerServiceOptions) {
  const models = createModelCache(threads);
  const blocks = createSlot<LoadedBlock>(() => undefined);

  const targetOf = async (ref: RunRef__Output | null): Promise<Target> => {
    if (ref === null) throw new EsparseError('protocol', 'the request names no run');
    requireProtocol(ref.protocolVersion, 'the pruner');
    if (!/^[0-9a-f]{8,64}$/.test(ref.run)) throw new EsparseError('usage', 'the run is not a fingerprint');
    return {
      modelPath: await guard('model', ref.model),
      storePath: await guard('store', ref.store),
      run: ref.run,
      seqlen: ref.seqlen,
    };
  };

  /** Runs `use` with the call's model open, and lets the model go after it. */
  const withModel = async <R>(target: Target, use: (model: OpenModel) => Promise<R>): Promise<R> => {
    const { value, release } = await models.hold(target.modelPath, target.seqlen);
    try {
      return await use(value);
    } finally {
      release();
    }
  };

  const denseBlock = (target: Target, model: OpenModel, block: number) => {
    requireBlock(model, block);
    const key = `dense:${target.seqlen}:${target.modelPath}:${block}`;
    return blocks.hold(key, () => model.runner.load(block, model.weights));
  };

  const prunedBlock = (target: Target, model: OpenModel, block: number) => {
    requireBlock(model, block);
    const key = `pruned:${target.seqlen}:${target.storePath}:${target.run}:${block}`;
    return blocks.hold(key, async () => {
      const run = await (await openStore(target.storePath)).openRun(target.run);
      return model.runner.load(block, storeWeights(run, model.description));
    });
  };

  const handlers: WorkerHandlers = {
    Describe: unary(log, 'Describe', ({ protocolVersion }) => {
      requireProtocol(protocolVersion, 'the pruner');
      return Promise.resolve({
        protocolVersion: PROTOCOL_VERSION,
        softwareVersion: SOFTWARE_VERSION,
        threads,
        peakResidentBytes: process.resourceUsage().maxRSS * 1024,
      });
    }),

    OpenModel: unary(log, 'OpenModel', async ({ run }) => {
      const target = await targetOf(run);
      return withModel(target, ({ checkpoint, description, runner }) =>
        Promise.resolve({
          modelDigest: checkpoint.digest,
          family: description.family,
          blocks: description.blocks,
          numerics: runner.numerics,
        }),
      );
    }),

    OpenShard: unary(log, 'OpenShard', async ({ run, shard, sequences, tokens }) => {
      const target = await targetOf(run);
      if (tokens.length !== sequences * target.seqlen || tokens.length > MAX_SHARD_TOKENS || tokens.length === 0) {
        throw new EsparseError('usage', `shard ${shard}: ${tokens.length} tokens for ${sequences} sequences`);
      }
      await withModel(target, async ({ description, weights }) => {
        const data = await embedTokens(description, weights, Uint32Array.from(tokens));
        const shape = [sequences, target.seqlen, description.hidden];
        const hidden = await openHidden(target.storePath, target.run);
        await hidden.write(0, shard, { data, shape });
      });
      return {};
    }),

    StreamActivations: serverStream(log, 'StreamActivations', async function* ({ run, block, shard, taps }, signal) {
      const target = await targetOf(run);
      const model = await models.hold(target.modelPath, target.seqlen);
      try {
        const states = await openHidden(target.storePath, target.run);
        const hidden = await states.read(block, shard, signal);
        const loaded = await denseBlock(target, model.value, block);
        try {
          yield* streamTiles(loaded.value, hidden, { block, shard, taps, signal });
        } finally {
          loaded.release();
        }
      } finally {
        model.release();
      }
    }),

    AdvanceShard: unary(log, 'AdvanceShard', async ({ run, block, shard }, signal) => {
      const target = await targetOf(run);
      await withModel(target, async (model) => {
        const states = await openHidden(target.storePath, target.run);
        const hidden = await states.read(block, shard, signal);
        const loaded = await prunedBlock(target, model, block);
        try {
          const data = await advance(loaded.value, hidden, signal);
          await states.write(block + 1, shard, { data, shape: hidden.shape });
        } finally {
          loaded.release();
        }
      });
      return {};
    }),
  };

  return {
    handlers,
    close() {
      blocks.clear();
      models.clear();
    },
  };
}

async function advance(
  block: LoadedBlock,
  hidden: { readonly data: Float32Array; readonly shape: readonly number[] },
  signal: AbortSignal,
): Promise<Float32Array> {
  const [sequences, seqlen, channels] = hidden.shape as [number, number, number];
  const size = seqlen * channels;
  const out = new Float32Array(hidden.data.length);
  for (let s = 0; s < sequences; s++) {
    signal.throwIfAborted();
    out.set(await block.advance(hidden.data.subarray(s * size, (s + 1) * size)), s * size);
  }
  return out;
}

function requireBlock(model: OpenModel, block: number): void {
  if (block >= model.description.blocks) {
    throw new EsparseError('usage', `block ${block} of ${model.description.blocks} does not exist`);
  }
}
