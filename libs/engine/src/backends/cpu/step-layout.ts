import type { BatchLayout } from '@esparse/kernels';
import type { BatchPart } from '../backend.ts';

/** Where the tokens of a step stand: memory for the largest step, filled anew for each. */
export class StepLayout implements BatchLayout {
  readonly positions: Int32Array;
  readonly pageTableOffsets: Int32Array;
  readonly pageTable: Int32Array;

  /** @param pages of the cache: no step names more, since no two sequences share one */
  constructor(maxTokens: number, pages: number) {
    this.positions = new Int32Array(maxTokens);
    this.pageTableOffsets = new Int32Array(maxTokens);
    this.pageTable = new Int32Array(pages);
  }

  /** Lays out the tokens of a step, one part after the other. */
  fill(parts: readonly BatchPart[]): void {
    let token = 0;
    let table = 0;
    for (const { sequence, tokens } of parts) {
      const { length, pages } = sequence;
      for (let i = 0; i < tokens.length; i++, token++) {
        this.positions[token] = length + i;
        this.pageTableOffsets[token] = table;
      }
      this.pageTable.set(pages, table);
      table += pages.length;
    }
  }
}
