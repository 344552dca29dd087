import { free } from '@esparse/kernels';
import { panelsOf } from './panels.ts';
import type { PanelledRows } from './tile-sums.ts';

/** Two matrices over some rows, f32 (rows, channels) each: left (less `minus`, where there is one) and right. */
export interface RowPair {
  readonly left: Float32Array;
  readonly minus?: Float32Array | undefined;
  readonly right: Float32Array;
}

/** Rows of a piece: of whole panels, it takes 1 MiB, which is large enough to be freed at once. */
const PIECE = 256;

/** Rows so far, and as many as there is room for. */
interface Piece {
  rows: number;
  readonly room: number;
  readonly panelled: PanelledRows;
}

/**
 * A sequence whose rows are still to come, in pieces that are cut into panels already: when it ends, each panel is put
 * together and its pieces are freed before the next, so that there are never two copies of the whole.
 */
export class OpenSequence {
  rows = 0;
  readonly #channels: number;
  readonly #one: boolean;
  #pieces: Piece[] = [];

  /** @param one whether left and right are the same */
  constructor(channels: number, one: boolean) {
    this.#channels = channels;
    this.#one = one;
  }

  /** Bytes of memory at most, of a sequence of so many rows. */
  static bytes(channels: number, rows: number, one: boolean): number {
    const sides = one ? 1 : 2;
    const widest = panelsOf(channels)[0]?.width ?? 0;
    return 4 * (sides * Math.ceil(rows / PIECE) * PIECE * channels + rows * widest);
  }

  /** @param last whether these rows are the last: there is room for no more */
  append({ left, minus, right }: RowPair, last: boolean): void {
    const count = right.length / this.#channels;
    for (let row = 0; row < count;) {
      const piece = this.#pieceFor(last ? count - row : PIECE);
      const some = Math.min(piece.room - piece.rows, count - row);
      const from = row * this.#channels;
      this.#write(piece.panelled.right, piece.rows, right, undefined, from, some);
      if (!this.#one) this.#write(piece.panelled.left, piece.rows, left, minus, from, some);
      piece.rows += some;
      row += some;
    }
    this.rows += count;
  }

  /** All rows: there are none here any more. */
  end(): PanelledRows {
    const { rows } = this;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.rows = 0;
    const [first] = pieces;
    if (pieces.length === 1 && first!.rows === first!.room) return first!.panelled;
    const joined = (side: 'left' | 'right') =>
      panelsOf(this.#channels).map(({ width }, p) => {
        const panel = new Float32Array(rows * width);
        let to = 0;
        for (const piece of pieces) {
          const part = piece.panelled[side][p]!;
          panel.set(part.subarray(0, piece.rows * width), to);
          to += piece.rows * width;
          free(part);
        }
        return panel;
      });
    const right = joined('right');
    return { rows, left: this.#one ? right : joined('left'), right };
  }

  release(): void {
    for (const { panelled } of this.#pieces) {
      for (const panel of new Set([...panelled.left, ...panelled.right])) free(panel);
    }
    this.#pieces = [];
    this.rows = 0;
  }

  /** A piece with room, a new one where there is none. */
  #pieceFor(wanted: number): Piece {
    const latest = this.#pieces.at(-1);
    if (latest !== undefined && latest.rows < latest.room) return latest;
    const rows = Math.min(PIECE, wanted);
    const panels = () => panelsOf(this.#channels).map(({ width }) => new Float32Array(rows * width));
    const right = panels();
    const piece = { rows: 0, room: rows, panelled: { rows, left: this.#one ? right : panels(), right } };
    this.#pieces.push(piece);
    return piece;
  }

  #write(
    panels: readonly Float32Array[],
    row: number,
    matrix: Float32Array,
    minus: Float32Array | undefined,
    from: number,
    count: number,
  ): void {
    for (const [p, { first, width }] of panelsOf(this.#channels).entries()) {
      const panel = panels[p]!;
      for (let r = 0; r < count; r++) {
        const at = from + r * this.#channels + first;
        const to = (row + r) * width;
        if (minus === undefined) panel.set(matrix.subarray(at, at + width), to);
        else for (let c = 0; c < width; c++) panel[to + c] = matrix[at + c]! - minus[at + c]!;
      }
    }
  }
}
