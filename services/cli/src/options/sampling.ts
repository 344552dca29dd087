import { isWithin, rangeInWords, type NumberField } from '@esparse/engine';
import { InvalidArgumentError } from 'commander';

/** A number that a sampling option of the engine may have. */
export function within(field: NumberField): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !isWithin(value, field)) {
      throw new InvalidArgumentError(`Expected ${rangeInWords(field)}.`);
    }
    return value;
  };
}
