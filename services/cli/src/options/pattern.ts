import { InvalidArgumentError } from 'commander';
import { isEsparseError } from '@esparse/errors';
import type { LayerRule, PruneOptions } from '@esparse/pruner';
import { parsePattern, type Pattern } from '@esparse/sparsity';

/** What linears that no rule names are pruned to where nothing else is asked for. */
export const USUAL_PATTERN: Pattern = { keep: 2, group: 4 };

/** keep:group, such as 2:4, or dense. */
export function pattern(text: string): Pattern | 'dense' {
  if (text.trim() === 'dense') return 'dense';
  try {
    return parsePattern(text);
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    throw new InvalidArgumentError(`${error.message}: ${error.hint ?? ''}; or dense, which prunes nothing`);
  }
}

/** What `--pattern` and `--layer` come to: `--pattern dense` is `--layer '*=dense'` before all other rules. */
export function layerOptions({
  pattern: usual,
  layer,
}: {
  readonly pattern: Pattern | 'dense';
  readonly layer?: readonly LayerRule[] | undefined;
}): Pick<PruneOptions, 'pattern' | 'layers'> {
  if (usual !== 'dense') return { pattern: usual, layers: layer };
  return { pattern: USUAL_PATTERN, layers: [{ glob: '*', pattern: usual }, ...(layer ?? [])] };
}
