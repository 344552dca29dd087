import type { BlockShape, HeldCost } from '@esparse/sparsity';
import { OpenSequence } from './open-sequence.ts';
import { PANEL } from './panels.ts';
import { usualWaiting, WAITING_SHARE } from './product-sums.ts';
import { AT_ONCE, TileSums, type TileShape } from './tile-sums.ts';

/** The taps of a block whose Hessians are gathered together. */
export interface HessianShape extends BlockShape {
  /** Whether how taps have drifted from the dense model's is gathered, too. @default false */
  readonly drift?: boolean;
  /** Bytes that sums and Hessians may have in memory: see `hessianMemory`. */
  readonly memory: number;
}

/** ONNX Runtime within the pruner, and the memory that it keeps after products: 105 MiB were seen. */
const PRODUCTS_BYTES = 128 * 2 ** 20;

/**
 * What the Hessians of a block take at most, before anything is gathered. Room in the temporary file is used again only
 * for pieces of the same size.
 */
export function hessianCost({
  taps,
  states,
  seqlen,
  drift = false,
  memory,
}: HessianShape): Required<HeldCost> {
  const widest = Math.max(0, ...taps);
  const shapes: TileShape[] = drift ? ['lower', 'square'] : ['lower'];
  const ofAll = (bytes: (channels: number, shape: TileShape) => number) =>
    total(taps.flatMap((channels) => shapes.map((shape) => bytes(channels, shape))));
  const sums = states * ofAll(TileSums.bytes);
  const matrices = ofAll((channels) => 4 * channels ** 2);
  const file = Math.max(0, sums + matrices - memory);
  // A column of panels of the matrix is the largest piece that comes from the file and goes back.
  const buffers = file > 0 ? 2 * 4 * widest * Math.min(PANEL, widest) : 0;
  const room = 4 * AT_ONCE * Math.min(PANEL, widest) ** 2;
  const waiting =
    states * ofAll((channels, shape) => waitingBytes(channels, shape, seqlen)) +
    (file > 0 ? WAITING_SHARE * memory : 0);
  return {
    run: PRODUCTS_BYTES,
    gathering: Math.min(sums + matrices, memory) + waiting + buffers + room,
    pruning: Math.min(matrices, memory) + buffers,
    file,
  };
}

/** Bytes of sequences in one state: those that wait to be added to the sums, and the next one, which comes in meanwhile. */
function waitingBytes(channels: number, shape: TileShape, seqlen: number): number {
  // Of the drift, both sides of the products wait.
  const sequence = (shape === 'square' ? 2 : 1) * 4 * seqlen * channels;
  const open = OpenSequence.bytes(channels, seqlen, shape === 'lower');
  // A sequence that is longer than what may wait does so alone.
  return Math.max(usualWaiting(channels, shape), sequence) + open;
}

function total(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}
