import { EsparseError } from '@esparse/errors';
import type { GgufHeader, GgufValue } from './header.ts';

/** Reads entries of a file's metadata by their types. */
export class Metadata {
  readonly #entries: GgufHeader['metadata'];
  readonly #where: string;

  constructor({ metadata }: GgufHeader, where: string) {
    this.#entries = metadata;
    this.#where = where;
  }

  /** @throws EsparseError 'checkpoint' where the entry is missing or no text; so do the others for their types */
  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key);
  }

  optionalText(key: string): string | undefined {
    return this.#of(key, 'a text', (value) => typeof value === 'string');
  }

  number(key: string): number {
    return this.optionalNumber(key) ?? this.#missing(key);
  }

  optionalNumber(key: string): number | undefined {
    return this.#of(key, 'a number', (value) => typeof value === 'number');
  }

  optionalFlag(key: string): boolean | undefined {
    return this.#of(key, 'true or false', (value) => typeof value === 'boolean');
  }

  texts(key: string): readonly string[] {
    return this.optionalTexts(key) ?? this.#missing(key);
  }

  optionalTexts(key: string): readonly string[] | undefined {
    return this.#of(key, 'a list of texts', isList<string>('string'));
  }

  numbers(key: string): readonly number[] {
    return this.optionalNumbers(key) ?? this.#missing(key);
  }

  optionalNumbers(key: string): readonly number[] | undefined {
    return this.#of(key, 'a list of numbers', isList<number>('number'));
  }

  #of<T extends GgufValue>(key: string, what: string, is: (value: GgufValue) => value is T): T | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || is(value)) return value;
    throw new EsparseError('checkpoint', `${this.#where}: ${key} of its metadata is not ${what}`);
  }

  #missing(key: string): never {
    throw new EsparseError('checkpoint', `${this.#where} has no ${key} in its metadata`, {
      hint: 'fetch the file again, or convert the model anew',
    });
  }
}

function isList<T extends string | number>(type: 'string' | 'number') {
  return (value: GgufValue): value is readonly T[] & GgufValue =>
    Array.isArray(value) && value.every((element) => typeof element === type);
}
