import type { ShuffleName } from '@esparse/pipelines';
import { both, global, local, lsa, none, type Shuffle } from '@esparse/sparsity';

/** The shuffles by the names that `--shuffle` takes. */
export const SHUFFLES: Readonly<Record<ShuffleName, Shuffle>> = { none, global, local, both, lsa };
