import type { ArrayValue } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { numbersOf } from './numbers.ts';

/** How near the values of an output are to others. */
export interface Nearness {
  /** Mean of the squared differences. */
  readonly meanSquaredError: number;
  /** The same as a share of the mean square of what they should be. */
  readonly relative: number;
  /** Of the angle between them, all values of all samples as one vector. */
  readonly cosine: number;
}

/** How often the right class is the likeliest, or among the five likeliest. */
export interface Hits {
  readonly rows: number;
  readonly top1: number;
  readonly top5: number;
}

/** Adds up how near values are to what they should be. */
export class NearnessSum {
  #error = 0;
  #dot = 0;
  #own = 0;
  #due = 0;
  #count = 0;

  /** @throws EsparseError 'text' where they are not as many */
  add(name: string, value: ArrayValue, due: ArrayValue): void {
    const [found, expected] = [numbersOf(value), numbersOf(due)];
    if (found.length !== expected.length) {
      throw new EsparseError(
        'text',
        `output '${name}' is [${value.shape.join()}] where [${due.shape.join()}] was expected`,
      );
    }
    for (let i = 0; i < found.length; i++) {
      const [a, b] = [found[i]!, expected[i]!];
      this.#error += (a - b) ** 2;
      this.#dot += a * b;
      this.#own += a * a;
      this.#due += b * b;
    }
    this.#count += found.length;
  }

  get nearness(): Nearness {
    const meanSquaredError = this.#error / this.#count;
    return {
      meanSquaredError,
      relative: this.#error / this.#due,
      cosine: this.#dot / Math.sqrt(this.#own * this.#due),
    };
  }
}

/** Counts the rows of an output, (..., classes), whose right class is among the likeliest. */
export class HitCount {
  readonly #labels: ArrayLike<number>;
  #rows = 0;
  #first = 0;
  #five = 0;

  /** @param labels a class for each row of the output, of all samples */
  constructor(labels: ArrayValue) {
    this.#labels = numbersOf(labels);
  }

  /** @throws EsparseError 'text' where there are fewer labels than rows, or a label is no class */
  add(name: string, value: ArrayValue): void {
    const classes = value.shape.at(-1) ?? 1;
    const values = numbersOf(value);
    for (let at = 0; at < values.length; at += classes) {
      const label = this.#labels[this.#rows++];
      if (label === undefined || !Number.isInteger(label) || label < 0 || label >= classes) {
        throw new EsparseError(
          'text',
          `label ${this.#rows - 1} is ${label ?? 'missing'}: output '${name}' has ${classes} classes a row`,
          { hint: 'the array `labels` has the number of a class, from 0, for each row of the first output' },
        );
      }
      // Ties count for the class that is not the right one: a network that says the same of all knows nothing.
      let above = 0;
      for (let i = 0; i < classes; i++) if (i !== label && values[at + i]! >= values[at + label]!) above++;
      if (above < 1) this.#first++;
      if (above < 5) this.#five++;
    }
  }

  /** @throws EsparseError 'text' where there are more labels than rows */
  get hits(): Hits {
    if (this.#rows !== this.#labels.length) {
      throw new EsparseError(
        'text',
        `there are ${this.#labels.length} labels for ${this.#rows} rows of outputs`,
      );
    }
    return { rows: this.#rows, top1: this.#first / this.#rows, top5: this.#five / this.#rows };
  }
}
