import type { WeightSource } from '@esparse/checkpoint';
import { BLOCK_OUTPUT, LOGITS, type ModelDescription } from '@esparse/model';
import { createSession } from '../device/session.ts';
import { headPart } from '../graph/model-parts.ts';
import { buildProgramGraph } from '../graph/program-graph.ts';
import { readParametersOf } from './block-parameters.ts';
import { createBlockRunner } from './block-runner.ts';
import { embedTokens } from './embed.ts';

/**
 * The logits of every token of one sequence, (tokens x vocab). The whole head is in memory and nothing is kept for a next
 * sequence: to compare with, not to serve by.
 */
export async function sequenceLogits(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Uint32Array,
): Promise<Float32Array> {
  const { hidden: width, vocab } = description;
  const rows = tokens.length;
  const runner = await createBlockRunner(description, { seqlen: rows });
  let hidden = await embedTokens(description, weights, tokens, rows);
  try {
    for (let block = 0; block < description.blocks; block++) {
      const loaded = await runner.load(block, weights);
      hidden = await loaded.advance(hidden);
      await loaded.release();
    }
  } finally {
    await runner.release();
  }
  const graph = buildProgramGraph(headPart(description), rows, [LOGITS]);
  const inputs = await readParametersOf(graph, weights);
  inputs.set(BLOCK_OUTPUT, { data: hidden, shape: [rows, width] });
  const logits = { data: new Float32Array(rows * vocab), shape: [rows, vocab] };
  const session = await createSession(graph.bytes);
  try {
    await session.run(inputs, new Map([[LOGITS, logits]]));
  } finally {
    await session.release();
  }
  return logits.data;
}
