/**
 * Memory that operations use while they run, and no longer: one at a time runs, so that one such memory serves all of
 * them. It grows to the most that was ever asked for.
 */
export class Scratch {
  readonly #memory: Float32Array[] = [];

  /** Buffers of at least (rows x width) each. What they hold is lost when the next ones are asked for. */
  buffers(widths: readonly number[], rows: number): Float32Array[] {
    return widths.map((width, i) => {
      const found = this.#memory[i];
      if (found !== undefined && found.length >= rows * width) return found;
      return (this.#memory[i] = new Float32Array(rows * width));
    });
  }
}
