import { lastValueFrom } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { BLOCK_OUTPUT } from '@esparse/model';
import type { WorkerConnection } from '@esparse/protocol';
import type { SequenceStates } from '@esparse/sparsity';
import { attempt$ } from './attempt.ts';
import { languageModel } from './language-model.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';

/**
 * The hidden states around a block, sequence after sequence: what it takes in, as it lies in the store, and what the dense
 * block makes of that, and of the dense model's own, as a worker computes it. Memory is that of a shard.
 */
export async function* blockStates(
  context: RunContext,
  block: number,
  signal?: AbortSignal,
): AsyncGenerator<SequenceStates, void> {
  const { blockStages } = context;
  const both = blockStages.some(({ states }) => states === 'both');
  if (blockStages.every(({ states }) => states === 'none'))
    throw new EsparseError('usage', 'the block stage said that it needs no states', {
      hint: "define it with states: 'pruned' or 'both'",
    });
  let first = 0;
  for (const shard of context.shards) {
    const [input, { output, dense }] = await Promise.all([
      context.writer.run.hidden.read(block, shard.index, signal),
      outputsOf(context, { block, shard, dense: both && block > 0 }, signal),
    ]);
    const size = input.data.length / shard.sequences;
    for (let i = 0; i < shard.sequences; i++) {
      const own = (all: Float32Array) => all.slice(i * size, (i + 1) * size);
      yield {
        sequence: first + i,
        input: own(input.data),
        output: own(output),
        ...(both && { dense: own(dense ?? output) }),
      };
    }
    first += shard.sequences;
  }
}

/** What is asked of the dense block. */
interface ShardOutputs {
  readonly block: number;
  readonly shard: Shard;
  /** Whether of the dense model's own states, too. */
  readonly dense: boolean;
}

/** What the dense block gives over a shard. */
interface Outputs {
  readonly output: Float32Array;
  /** Absent where it is the same: before the first block both models are. */
  readonly dense: Float32Array | undefined;
}

async function outputsOf(
  { pool, target, options, description }: RunContext,
  { block, shard: { index: shard, sequences }, dense }: ShardOutputs,
  signal?: AbortSignal,
): Promise<Outputs> {
  const { seqlen } = options;
  const { hidden } = languageModel(description);
  const taps = new Map([[BLOCK_OUTPUT, hidden]]);
  const collect = async (worker: WorkerConnection, cancelled: AbortSignal): Promise<Outputs> => {
    const made = () => new Float32Array(sequences * seqlen * hidden);
    const outputs = { output: made(), dense: dense ? made() : undefined };
    const expected = { block, shard, seqlen, sequences, taps, dense };
    for await (const tile of worker.streamActivations(target, expected, cancelled)) {
      const at = (tile.sequence * seqlen + tile.firstRow) * hidden;
      outputs.output.set(tile.data, at);
      if (tile.dense !== undefined) outputs.dense?.set(tile.dense, at);
    }
    return outputs;
  };
  return lastValueFrom(
    pool
      .run$({
        kind: 'output',
        size: sequences * seqlen,
        ids: { block, shards: [shard] },
        run$: (worker) => attempt$((cancelled) => collect(worker, cancelled)),
      })
      .pipe(abortWith(signal)),
  );
}
