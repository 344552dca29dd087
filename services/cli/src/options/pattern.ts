import { InvalidArgumentError } from 'commander';
import { isEsparseError } from '@esparse/errors';
import { parsePattern, type Pattern } from '@esparse/sparsity';

/** keep:group, such as 2:4. */
export function pattern(text: string): Pattern {
  try {
    return parsePattern(text);
  } catch (error) {
    throw isEsparseError(error) ? new InvalidArgumentError(`${error.message}: ${error.hint ?? ''}`) : error;
  }
}
