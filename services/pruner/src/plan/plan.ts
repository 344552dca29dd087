import { openCheckpoint } from '@esparse/checkpoint';
import { statisticsOf } from '@esparse/dataflow';
import { describeCheckpoint } from '@esparse/model';
import { formatPattern, type JsonObject, type Metric, type Plugin } from '@esparse/sparsity';
import { batchesOf } from '../batches.ts';
import type { PruneOptions } from '../options.ts';
import { resolveLayers } from '../layers.ts';
import { shardsOf } from '../shards.ts';
import { checkedReaders, isKnownToWorkers } from '../statistics.ts';
import { extraOf, OF_CHANNELS } from './costs.ts';
import { channelsOf, hessiansOf, sketchChannelBytes, prunerMemory, workerMemory } from './memory.ts';
import { measureRates, type Rates } from './measure.ts';
import { patternGroups, type PatternGroup } from './pattern-groups.ts';
import { storeBytesOf, sum, type StoreBytes } from './store-bytes.ts';

/** What is planned: a run's options, without its texts and places, and with a number of workers for their addresses. */
export type PlanOptions = Omit<
  PruneOptions,
  'calibration' | 'store' | 'workers' | 'seed' | 'bos' | 'resume'
> & {
  /** Workers, each with the threads of this machine. */
  readonly workers: number;
  /** Threads of the runtime in the short measurement. @default all processors */
  readonly threads?: number | undefined;
};

/** A plug-in that each linear goes through. */
export interface PlannedStep {
  readonly kind: 'metric' | 'shuffle' | 'stage';
  readonly name: string;
  readonly version: number;
  readonly options: JsonObject;
}

/** What a run will take, all in bytes and seconds. */
export interface RunPlan {
  readonly model: string;
  readonly family: string;
  readonly blocks: number;
  readonly pattern: string;
  /** What each linear is pruned to, grouped: where rules for layers make exceptions, they show here. */
  readonly patterns: readonly PatternGroup[];
  readonly pipeline: string;
  /** Of the pipeline, defaults among them. */
  readonly options: JsonObject;
  /** What each linear goes through, in this order, besides mask and pack. */
  readonly steps: readonly PlannedStep[];
  /** Statistics that are gathered of each tap. */
  readonly statistics: readonly string[];
  /** Statistics and stages whose memory and time this plan leaves out, since nobody told them. */
  readonly uncounted: readonly string[];
  readonly tokens: number;
  readonly shards: number;
  readonly workers: number;
  /** Over the whole run: by the pruner, and by all workers together (weights at every block and worker, hidden states). */
  readonly read: { readonly pruner: number; readonly workers: number };
  /**
   * Over the wire in the whole run, by `--combine`: activations within 1 %, or statistics as an upper bound; these are absent
   * where workers cannot gather them.
   */
  readonly wire: { readonly pruner: number; readonly worker?: number };
  readonly store: StoreBytes & {
    /** Hidden states that lie in the store at once, at most, until the run is finished. */
    readonly hidden: number;
  };
  /** Written in the whole run. */
  readonly written: { readonly store: number; readonly hidden: number };
  /** The most that each process holds, an upper bound. */
  readonly memory: { readonly pruner: number; readonly worker: number };
  /** The most that the pruner's temporary file grows to, of what Hessians do not find room for in memory. */
  readonly spilled: number;
  /** An estimate from a short measurement on this machine. */
  readonly seconds: {
    readonly total: number;
    readonly calibrate: number;
    readonly prune: number;
    readonly commit: number;
    readonly advance: number;
  };
  readonly measured: Rates;
}

/**
 * Tells what a run will take, without running it: of the weights it reads headers, the samples by which a checkpoint is
 * known, and one piece to see how fast they can be read.
 *
 * @throws EsparseError as `prune` for a model that cannot be pruned
 */
export async function planRun(options: PlanOptions, signal?: AbortSignal): Promise<RunPlan> {
  const checkpoint = await openCheckpoint(options.model, signal);
  try {
    const description = describeCheckpoint(checkpoint);
    const layers = resolveLayers(description, options);
    const { samples, seqlen, workers, pattern, pipeline, combine = 'pruner' } = options;
    const { blocks, hidden, linears } = description;
    const shards = shardsOf(new Uint32Array(samples * seqlen), seqlen, hidden);
    const { metric, shuffle, stages } = pipeline;
    const readers = checkedReaders(pipeline, options);
    const gathered = statisticsOf(readers);
    const statistics = gathered.map(({ name }) => name);
    const extra = extraOf(readers, stages);
    const calibrates = statistics.length > 0;
    const needsDense = gathered.some((statistic) => statistic.needsDense === true);
    const tensor = linears[0]!.weight(0);
    const rates = await measureRates({
      checkpoint,
      tensor,
      pattern,
      shuffle,
      threads: options.threads,
      signal,
    });

    const tokens = samples * seqlen;
    const everyBlock = Array.from({ length: blocks }, (_, block) => block);
    const calibrated = everyBlock.filter((block) => layers.taps(block).length > 0).length;
    const pruned = everyBlock.flatMap((block) => layers.pruned(block));
    // Passes through blocks: those of the dense model, too, where it is needed, which the first block's are anyway.
    const beside = needsDense ? everyBlock.filter((block) => block > 0 && layers.taps(block).length > 0) : [];
    const chains = needsDense ? 2 : 1;
    // Of the whole run: nothing is gathered of inputs that only dense linears read.
    const channels = sum(everyBlock.map((block) => channelsOf(layers.taps(block))));
    const streamed = channels + sum(beside.map((block) => channelsOf(layers.taps(block))));
    const weights = sum(linears.map(({ rows, cols }) => rows * cols));
    const weightBytes = checkpoint.info(tensor).dtype === 'F32' ? 4 : 2;
    const busy = Math.min(workers, shards.length);
    const batches = batchesOf(shards, workers).length;
    const boundary = 4 * tokens * hidden;
    const advances = calibrates ? blocks - 1 : 0;
    const shape = { checkpoint, description, layers, statistics: keptOf([metric, ...stages]) };
    const store = await storeBytesOf(options.model, shape);
    const outer = sum(
      description.outerTensors.map(({ shape: size }) => weightBytes * size.reduce((a, b) => a * b, 1)),
    );
    const memory = {
      description,
      pruned,
      seqlen,
      workers,
      shards: shards.length,
      sequences: shards[0]!.sequences,
      combine,
      calibrates,
      needsDense,
      weightBytes,
      extra,
    };
    const packed = (store.arrays - outer) / blocks;
    const read = {
      pruner: weightBytes * weights * blocks + outer,
      workers: calibrates
        ? Math.round(
            busy * (weightBytes * weights * calibrated + packed * advances) +
              boundary * (calibrated + beside.length + chains * advances),
          )
        : 0,
    };
    const written = { store: store.bytes, hidden: calibrates ? boundary * (1 + chains * (blocks - 1)) : 0 };
    const wire = {
      pruner: calibrates ? 4 * tokens * streamed : 0,
      ...(gathered.every(isKnownToWorkers) && {
        worker: calibrates ? batches * channels * sketchChannelBytes(tokens / batches) : 0,
      }),
    };
    const compute = (2 * tokens * weights) / rates.flops / busy;
    const loads = (weightBytes * weights) / rates.read;
    const counting = tokens * channels * rates.statistics;
    const taps = everyBlock.flatMap((block) => layers.taps(block));
    const products =
      (tokens / rates.flops) * sum(taps.map((tap) => extra.flopsPerToken(tap.channels))) +
      samples * sum(taps.map((tap) => extra.secondsPerSequence(tap.channels)));
    const staging = sum(pruned.map(extra.stages.flops)) / rates.flops + sum(pruned.map(extra.stages.seconds));
    const seconds = {
      calibrate: calibrates
        ? calibrated * loads +
          Math.max(
            (calibrated + beside.length) * compute,
            combine === 'worker' ? counting / busy : counting,
          ) +
          products
        : 0,
      prune: blocks * (weights * rates.prune + loads) + staging,
      commit: written.store / rates.write,
      advance: advances * (chains * (compute + boundary / rates.write) + packed / rates.read),
    };
    return {
      model: options.model,
      family: description.family,
      blocks,
      pattern: formatPattern(pattern),
      patterns: patternGroups(description, layers),
      pipeline: pipeline.name,
      options: pipeline.options,
      steps: [
        { kind: 'metric', ...told(metric) },
        { kind: 'shuffle', ...told(shuffle) },
        ...stages.map((stage) => ({ kind: 'stage' as const, ...told(stage) })),
      ],
      statistics,
      uncounted: extra.uncounted,
      tokens,
      shards: shards.length,
      workers,
      read,
      wire,
      store: { ...store, hidden: calibrates ? 2 * chains * boundary : 0 },
      written,
      memory: {
        pruner: prunerMemory(memory),
        worker: calibrates ? workerMemory(memory) : workerMemory({ ...memory, combine: 'pruner' }),
      },
      spilled: calibrates ? hessiansOf(memory).file : 0,
      seconds: { total: sum(Object.values(seconds)), ...seconds },
      measured: rates,
    };
  } finally {
    await checkpoint.close();
  }
}

/** Readings that are kept of each tap: those that are numbers of channels, of each name one. */
function keptOf(parts: readonly Pick<Metric, 'statistics'>[]): number {
  const named = parts.flatMap(({ statistics }) => Object.entries(statistics));
  const kept = named.filter(([, { statistic }]) => OF_CHANNELS.has(statistic.name));
  return new Set(kept.map(([name]) => name)).size;
}

function told({ name, version = 1, options = {} }: Plugin) {
  return { name, version, options };
}
