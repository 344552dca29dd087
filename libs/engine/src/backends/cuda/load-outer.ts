import { deviceHeadDim, PAGE_POSITIONS, type CudaDecoder } from '@esparse/cuda';
import type { TensorSpec } from '@esparse/model';
import type { ArrayGroup } from '../../weights/model-arrays.ts';
import type { HeadRows } from './head-rows.ts';
import { loadMatrix, loadVector } from './load-linear.ts';
import { loadNorm } from './load-norm.ts';
import { named, type ProgrammedModel } from './program-linears.ts';
import { turnsOf } from './turning-rows.ts';

/**
 * Copies what is outside of the blocks to the device: embedding, positions, last norm, head.
 *
 * @param positions of the longest sequence
 * @throws EsparseError 'store' naming what is missing, of another size, or damaged
 */
export async function loadOuter(
  decoder: CudaDecoder,
  model: ProgrammedModel,
  group: ArrayGroup,
  rows: HeadRows | undefined,
  positions: number,
): Promise<void> {
  const { finalNorm, logitFactor, embedding, head, ropes, shape } = model.program;
  const vector = (name: string) => loadVector(group, name, outerTensor(model, name));
  const matrix = (name: string) => loadMatrix(group, name, outerTensor(model, name));
  decoder.outer({
    embedding: await matrix(embedding),
    head: head === embedding ? undefined : await matrix(head),
    // Logits are linear in what the last norm gives.
    norm: (await loadNorm(finalNorm, vector)).map((weight) => weight * logitFactor),
    shift:
      finalNorm.shift === undefined
        ? undefined
        : (await vector(finalNorm.shift)).map((value) => value * logitFactor),
    positions: await learnedPositions(model, group, positions),
    rotary: ropes.map((spec) => turnsOf(spec, deviceHeadDim(shape.headDim), positions)),
    rows: rows && [rows.query, rows.key, rows.value],
  });
}

/** Learned positions from 0 on, with whole pages of them. */
async function learnedPositions(
  model: ProgrammedModel,
  group: ArrayGroup,
  count: number,
): Promise<Uint16Array | undefined> {
  const { positions } = model.program;
  if (positions === undefined) return undefined;
  const { hidden } = model.description;
  const { values } = await loadMatrix(group, positions.table, outerTensor(model, positions.table), 'dense');
  const out = new Uint16Array(Math.ceil(count / PAGE_POSITIONS) * PAGE_POSITIONS * hidden);
  out.set(values.subarray(positions.offset * hidden, (positions.offset + count) * hidden));
  return out;
}

function outerTensor({ description }: ProgrammedModel, name: string): TensorSpec {
  return named(description.outerTensors, name);
}
