import { blamed } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '@esparse/model';
import type { BlockOperation, BlockStage, ConfiguredPipeline } from '@esparse/sparsity';

/**
 * A model whose blocks a block stage does not take is refused before anything is read, by what they have that it does not take.
 *
 * @throws EsparseError 'unsupported'
 */
export function requireTakenBlocks(
  { name, blockStages }: Pick<ConfiguredPipeline, 'name' | 'blockStages'>,
  { family, program }: Pick<ModelDescription, 'family' | 'program'>,
): void {
  for (const stage of blockStages) {
    for (const block of program.blocks) {
      const what = refusedBy(stage, block);
      if (what === undefined) continue;
      throw new EsparseError(
        'unsupported',
        `block stage ${stage.name} of ${name} does not take the blocks of this ${family} model: they have ${what}`,
        { hint: 'choose a pipeline without it' },
      );
    }
  }
}

/** What it says, blamed on the stage where that is no answer. */
function refusedBy(stage: BlockStage, block: readonly BlockOperation[]): string | undefined {
  try {
    const what: unknown = stage.refuses?.(block);
    if (what === undefined || typeof what === 'string') return what;
    throw new EsparseError('usage', `it gives ${typeof what}, no text`);
  } catch (error) {
    throw blamed({ plugin: `block stage ${stage.name}`, where: 'refuses()' }, error);
  }
}
