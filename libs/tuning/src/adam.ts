/** Decay of the mean of the gradients, and of that of their squares (arXiv 1412.6980). */
const BETA1 = 0.9;
const BETA2 = 0.999;
/** Added to the root of the squares. */
const EPSILON = 1e-8;

/** Adam's state of one parameter. */
export class Adam {
  readonly #values: Float32Array;
  readonly #mask: Uint8Array | undefined;
  readonly #mean: Float32Array;
  readonly #square: Float32Array;
  #steps = 0;

  /**
   * @param values what is changed, step by step: f32
   * @param mask 1 where it may change, 0 where it stays. @default everywhere
   */
  constructor(values: Float32Array, mask?: Uint8Array) {
    this.#values = values;
    this.#mask = mask;
    this.#mean = new Float32Array(values.length);
    this.#square = new Float32Array(values.length);
  }

  /**
   * One step down the gradient, of about `rate` for each value.
   * @param scale what the gradient is multiplied by first
   */
  step(gradient: Float32Array, rate: number, scale: number): void {
    this.#steps++;
    // Both means begin at 0: these undo it.
    const byMean = rate / (1 - BETA1 ** this.#steps);
    const bySquare = 1 / Math.sqrt(1 - BETA2 ** this.#steps);
    const [values, mask, mean, square] = [this.#values, this.#mask, this.#mean, this.#square];
    for (let i = 0; i < values.length; i++) {
      // A value that stays has means of 0: it is moved by 0, without a branch.
      const g = gradient[i]! * scale * (mask === undefined ? 1 : mask[i]!);
      const m = BETA1 * mean[i]! + (1 - BETA1) * g;
      const s = BETA2 * square[i]! + (1 - BETA2) * g * g;
      mean[i] = m;
      square[i] = s;
      values[i]! -= (byMean * m) / (Math.sqrt(s) * bySquare + EPSILON);
    }
  }
}
