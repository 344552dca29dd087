import { EsparseError } from '@esparse/errors';
import { ropesOf, type ModelDescription } from '@esparse/model';

/** How many positions the engine serves at most where nothing else is asked for. */
const DEFAULT_CONTEXT = 4096;

/**
 * The longest sequence that an engine takes.
 *
 * With rotary scaling of the type 'dynamic' the angles depend on the length of the whole sequence once it exceeds the
 * trained one: keys that lie in the cache would have to be turned anew with every token. So such a model is served up to
 * its trained length, where it is exact.
 *
 * @throws EsparseError 'usage' for a context that the model does not reach
 */
export function contextOf({ family, maxPositions, program }: ModelDescription, wanted?: number): number {
  const trained = ropesOf(program).flatMap((rope) => (rope.type === 'dynamic' ? [rope.original] : []));
  const dynamic = trained.length > 0;
  const most = Math.min(maxPositions, ...trained);
  if (wanted === undefined) return Math.min(most, DEFAULT_CONTEXT);
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= most) return wanted;
  throw new EsparseError(
    'usage',
    `a context of ${wanted} tokens is not within 1 to ${most}, what this ${family} model has`,
    {
      hint: dynamic
        ? 'its rotary embedding is scaled by the length of the sequence (dynamic): only the trained length is served'
        : `ask for at most ${most} (--seqlen of eval, --max-context of serve)`,
    },
  );
}
