import { EsparseError } from '@esparse/errors';
import { isGraph, type AnyModel, type ModelDescription } from '@esparse/model';
import type { SequenceInput } from './compute-inputs.ts';
import type { OpenModel } from './models.ts';

/** A shard is cut so that its hidden states are not too large. @throws EsparseError 'usage' for one that is not */
export function requireShardSize(tokens: number, seqlen: number, hidden: number, maxBytes: number): void {
  const bytes = 4 * tokens * hidden;
  if (tokens <= seqlen || bytes <= maxBytes) return;
  throw new EsparseError(
    'usage',
    `a shard of ${tokens} tokens has hidden states of ${bytes} bytes: expected at most ${maxBytes}, or one sequence`,
  );
}

/** @throws EsparseError 'store' for hidden states of another model or sequence length */
export function requireStates(
  { description }: OpenModel,
  { target, hidden, sequences }: SequenceInput,
): void {
  // Those of a graph say themselves what they are.
  if (isGraph(description)) return;
  const { seqlen } = target;
  if (hidden.length === sequences * seqlen * description.hidden) return;
  throw new EsparseError(
    'store',
    `hidden states of ${hidden.length} values, not ${sequences} x ${seqlen} x ${description.hidden}`,
  );
}

/** @throws EsparseError 'usage' for a block that the model has not */
export function requireBlock({ blocks }: AnyModel, block: number): void {
  if (block < blocks) return;
  throw new EsparseError('usage', `block ${block} of ${blocks} does not exist`);
}

/** @throws EsparseError `usage` for a tap that the block has not */
export function requireTap(taps: ReadonlyMap<string, number>, name: string): number {
  const channels = taps.get(name);
  if (channels !== undefined) return channels;
  throw new EsparseError('usage', `the block has no tap ${name.slice(0, 80)}`);
}

/** @throws EsparseError 'usage' for a graph, whose states the pruner writes and whose gradient is not known */
export function requireLanguageModel(description: AnyModel): asserts description is ModelDescription {
  if (!isGraph(description)) return;
  throw new EsparseError(
    'usage',
    'the model is a graph of ONNX: it has no tokens, and its gradient is not known',
  );
}
