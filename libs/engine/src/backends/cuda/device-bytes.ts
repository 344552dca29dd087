import { encodingBits, packedBytes, type DeviceBits, type DeviceEncoding } from '@esparse/cuda';
import { TILE_ROWS, VECTOR_BYTES } from '@esparse/kernels';
import type { LinearSpec } from '@esparse/model';
import type { ArrayGroup } from '../../weights/model-arrays.ts';
import type { WeightBytes } from '../backend.ts';
import type { DecoderProgram } from './decoder-program.ts';
import type { StoredBlock } from './load-block.ts';
import { attributesAt, attributesOf, storedEncoding, type DeviceAttributes } from './stored-attributes.ts';

/** What a model's weights take on the device, and as what they lie there. */
export interface DeviceBytes {
  readonly bytes: WeightBytes;
  /** What the device needs for them, and while they are loaded. */
  readonly deviceBytes: number;
  /** Linears that are dense bf16 there, and are not so in the store. */
  readonly expanded: number;
  /** Bits of the integers among them. */
  readonly bits: ReadonlySet<DeviceBits>;
}

/** @param specs linears of a block; `experts`: those of each expert */
export function deviceBytesOf(
  { shape, embedding, head: headName }: DecoderProgram,
  outer: ArrayGroup,
  blocks: readonly StoredBlock[],
  specs: readonly (LinearSpec | undefined)[],
  experts: readonly (readonly LinearSpec[])[],
): DeviceBytes {
  const outerEncoding = (name: string) => storedEncoding(attributesAt(outer, name), shape.hidden);
  const [ofTable, ofHead] = [outerEncoding(embedding), outerEncoding(headName)];
  const tableSize = { rows: shape.vocab, cols: shape.hidden };
  const table = tableBytes(tableSize, attributesAt(outer, embedding));
  const head = packedBytes(tableSize, ofHead ?? 'dense');
  const used = new Set([ofTable, ofHead]);
  let [linears, dense, expanded] = [0, 0, 0];
  for (const [block, { group, encodings, experts: ofExperts }] of blocks.entries()) {
    const add = (spec: LinearSpec | undefined, encoding: DeviceEncoding | undefined) => {
      if (spec === undefined || encoding === undefined) return;
      linears += packedBytes(spec, encoding);
      dense += spec.rows * spec.cols * 2;
      used.add(encoding);
      if (storedEncoding(attributesOf(group, spec, block), spec.cols) !== encoding) expanded++;
    };
    for (const [i, spec] of specs.entries()) add(spec, encodings[i]);
    for (const own of experts) for (const [i, spec] of own.entries()) add(spec, ofExperts[i]);
  }
  const staging = Math.max(
    shape.vocab * shape.hidden * 2,
    ...[...specs, ...(experts[0] ?? [])].map((spec) => (spec ? spec.rows * spec.cols * 2 : 0)),
  );
  return {
    bytes: { mapped: linears + table + head, linears, permutations: 0, denseLinears: dense, head },
    deviceBytes: linears + table + head + staging,
    expanded,
    bits: new Set([...used].flatMap((encoding) => (encoding && encodingBits(encoding)) ?? [])),
  };
}

/** Bytes of an embedding on the device: as the store has it. */
function tableBytes(
  { rows, cols }: { rows: number; cols: number },
  attributes: DeviceAttributes | undefined,
) {
  if (attributes === undefined || !('bits' in attributes)) return rows * cols * 2;
  const { bits, span } = attributes;
  const tiles = Math.ceil(rows / TILE_ROWS);
  const vectors = (Math.ceil(cols / 16) * bits) / 2;
  return tiles * (vectors * VECTOR_BYTES + Math.ceil(cols / span) * TILE_ROWS * 2);
}
