import { OpenSequence } from './open-sequence.ts';
import { PANEL } from './panels.ts';
import { usualWaiting, WAITING_SHARE } from './product-sums.ts';
import { AT_ONCE, TileSums, type TileShape } from './tile-sums.ts';

/** Taps whose Hessians are gathered together. */
export interface HessianShape {
  /** Channels of each tap. */
  readonly taps: readonly number[];
  /** States of each tap at once: those of shards under way, and the one that they are merged into. */
  readonly states: number;
  /** Rows of a sequence. */
  readonly seqlen: number;
  /** Whether how taps have drifted from the dense model's is gathered, too. @default false */
  readonly drift?: boolean;
  /** Bytes that sums and Hessians may have in memory: see `hessianMemory`. */
  readonly memory: number;
}

/** Bytes at most. */
export interface HessianCost {
  /** Of memory while sequences are added up, and while linears are solved for. */
  readonly gathering: number;
  readonly solving: number;
  /** Of the temporary file: room in it is used again by what has the same size only. */
  readonly file: number;
}

/** What the Hessians of a block take, before anything is gathered. */
export function hessianCost({ taps, states, seqlen, drift = false, memory }: HessianShape): HessianCost {
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
  // A sequence that is longer than what may wait does so alone.
  const waiting =
    states *
      ofAll((channels, shape) => {
        // Of the drift, both sides of the products wait.
        const sequence = (shape === 'square' ? 2 : 1) * 4 * seqlen * channels;
        // The next one comes in meanwhile.
        const open = OpenSequence.bytes(channels, seqlen, shape === 'lower');
        return Math.max(usualWaiting(channels, shape), sequence) + open;
      }) +
    (file > 0 ? WAITING_SHARE * memory : 0);
  return {
    gathering: Math.min(sums + matrices, memory) + waiting + buffers + room,
    solving: Math.min(matrices, memory) + buffers,
    file,
  };
}

function total(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}
