import { deviceHeadDim, type CudaDecoder, type PartVectors, type StoredLinear } from '@esparse/cuda';
import { biasSlot, type LinearSpec } from '@esparse/model';
import { densePath } from '@esparse/model-store';
import type { ArrayGroup } from '../../weights/model-arrays.ts';
import type { Encodings } from './device-encodings.ts';
import type { HeadRows } from './head-rows.ts';
import { loadLinear, loadVector } from './load-linear.ts';
import { loadNorm } from './load-norm.ts';
import { expertLinearsOf, linearsOf, type ProgrammedModel } from './program-linears.ts';
import type { NormProgram, PartNorms } from './read-block.ts';
import { inRowOrder } from './turning-rows.ts';

/** Where a block is stored, and what its linears, and those of its experts, are on the device. */
export interface StoredBlock {
  readonly group: ArrayGroup;
  readonly encodings: Encodings;
  readonly experts: Encodings;
}

/** Gives what a block has by its slot. */
type SlotVector = (slot: string) => Promise<Float32Array>;

/**
 * Copies a block to the device.
 *
 * @throws EsparseError 'store' naming what is missing, of another size, or damaged
 */
export async function loadBlock(
  decoder: CudaDecoder,
  model: ProgrammedModel,
  block: number,
  stored: StoredBlock,
  rows: HeadRows | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { group, encodings } = stored;
  const tensors = model.description.blockTensors(block);
  const vector: SlotVector = (slot) => {
    const tensor = tensors.find((candidate) => candidate.slot === slot)!;
    return loadVector(group, densePath(tensor.name), tensor);
  };
  const linears: (StoredLinear | undefined)[] = [];
  for (const [i, spec] of linearsOf(model).entries()) {
    linears.push(spec && (await loadLinear(group, spec, block, encodings[i]!)));
  }
  decoder.block(block, await partsOf(model, block, rows, vector), linears);
  for (let expert = 0; expert < (model.program.experts?.experts ?? 0); expert++) {
    signal?.throwIfAborted();
    await loadExpert(decoder, { model, block, stored, vector, expert });
  }
}

interface ExpertPlace {
  readonly model: ProgrammedModel;
  readonly block: number;
  readonly stored: StoredBlock;
  readonly vector: SlotVector;
  readonly expert: number;
}

async function loadExpert(
  decoder: CudaDecoder,
  { model, block, stored, vector, expert }: ExpertPlace,
): Promise<void> {
  const specs = expertLinearsOf(model, expert);
  const [gate, up, down] = specs;
  const linears: StoredLinear[] = [];
  for (const [i, spec] of specs.entries())
    linears.push(await loadLinear(stored.group, spec, block, stored.experts[i]!));
  const biases = { inner: await biasOf([gate, up], vector), down: await biasOf([down], vector) };
  decoder.expert(block, expert, linears, biases);
}

/** What a block has beside its linears. */
async function partsOf(
  model: ProgrammedModel,
  block: number,
  rows: HeadRows | undefined,
  vector: SlotVector,
) {
  const { norms, windows, ropeOf, shape, sinks, experts } = model.program;
  const weight = async (norm: NormProgram | undefined) => norm && (await loadNorm(norm, vector));
  const [q, k, v, o, gate, up, down] = linearsOf(model);
  const part = async ({ before, after }: PartNorms, last: LinearSpec | undefined): Promise<PartVectors> => ({
    before: await weight(before),
    shift: before?.shift === undefined ? undefined : await vector(before.shift),
    bias: await biasOf([last], vector),
    after: await weight(after),
  });
  const ofHeads = async (norm: NormProgram | undefined, ofAll: Int32Array | undefined) => {
    const given = await weight(norm);
    const places = shape.headNorm === 'width' ? ofAll : ofAll?.subarray(0, deviceHeadDim(shape.headDim));
    return given && inRowOrder(given, places);
  };
  return {
    attention: await part(norms.attention, o),
    mlp: await part(norms.mlp, down),
    bias: await biasOf([q, k, v], vector, rows && [rows.query, rows.key, rows.value]),
    innerBias: await biasOf(up === undefined ? [gate] : [gate, up], vector),
    sinks: sinks === undefined ? undefined : await vector(sinks),
    router: experts && (await vector(experts.router)),
    routerBias: experts?.bias === undefined ? undefined : await vector(experts.bias),
    query: await ofHeads(norms.query, rows?.query),
    key: await ofHeads(norms.key, rows?.key),
    window: windows[block],
    rotary: ropeOf[block],
  };
}

/** The biases of linears that are read together, one after the other, zeros where one has none, each in its order of rows. */
async function biasOf(
  specs: readonly (LinearSpec | undefined)[],
  vector: SlotVector,
  orders: readonly (Int32Array | undefined)[] = [],
): Promise<Float32Array | undefined> {
  if (specs.every((spec) => spec?.bias === undefined)) return undefined;
  const all: number[][] = [];
  for (const [i, spec] of specs.entries()) {
    const { name, rows, bias } = spec!;
    const own = bias === undefined ? new Float32Array(rows) : await vector(biasSlot(name));
    all.push([...inRowOrder(own, orders[i])]);
  }
  return Float32Array.from(all.flat());
}
