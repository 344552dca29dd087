import { EXAMPLE_CALIBRATION } from './repository.ts';
import { writeRandomLlama } from './random-model.ts';

/** Blocks of the model: what is done to a worker is done in the second. */
const BLOCKS = 2;
/** Channels of a hidden state: the more there are, the fewer tokens fill a shard. */
const HIDDEN = 256;
const SEQLEN = 128;
/** As the protocol has them: hidden states of 16 MiB in f32. */
const SEQUENCES_OF_A_SHARD = (16 * 2 ** 20) / (4 * HIDDEN * SEQLEN);

/** Writes a model whose runs have several shards at the least cost: few blocks, and no tap wider than the hidden states. */
export async function writeShardedModel(directory: string): Promise<void> {
  await writeRandomLlama(directory, {
    ...{ hidden: HIDDEN, intermediate: HIDDEN, heads: 4, kvHeads: 4 },
    blocks: BLOCKS,
  });
}

/** Options of a run of that model with so many shards; the last one has a single sequence. */
export function shardedRun(model: string, shards: number): readonly string[] {
  const samples = String((shards - 1) * SEQUENCES_OF_A_SHARD + 1);
  return [
    ...['--model', model, '--calibration', EXAMPLE_CALIBRATION],
    ...['--samples', samples, '--seqlen', String(SEQLEN), '--shuffle', 'global'],
  ];
}
