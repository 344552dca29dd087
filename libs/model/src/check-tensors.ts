import { EsparseError } from '@esparse/errors';
import { linearsOf } from './block-parts.ts';
import type { PrunableModel, TensorSpec } from './description.ts';

/** What is known of a stored tensor before it is read. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** The tensors of one block: the linears' matrices, then everything that stays dense. */
export function tensorsOfBlock(description: PrunableModel, block: number): TensorSpec[] {
  return [
    ...linearsOf(description, block).map(({ weight, rows, cols }) => ({
      name: weight(block),
      shape: [rows, cols],
    })),
    ...description.blockTensors(block),
  ];
}

/**
 * Checks that a checkpoint holds every tensor of the model in the shape that config.json implies, before any work.
 * @throws EsparseError 'checkpoint' naming the tensor, what was expected and what was found
 */
export function checkTensors(description: PrunableModel, tensors: ReadonlyMap<string, StoredTensor>): void {
  for (const tensor of description.outerTensors) check(tensor, tensors);
  for (let block = 0; block < description.blocks; block++) {
    for (const tensor of tensorsOfBlock(description, block)) check(tensor, tensors);
  }
}

/** Tensors that checkpoints of any family may carry, and that nothing is computed with. */
const IGNORED = [
  // Tables that old versions of the Hugging Face library saved.
  /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$/,
  // A head that config.json ties to the embedding: what is written beside it is not read, there or here.
  /^lm_head\.weight$/,
];
/** As many are named. */
const NAMED = 3;

/**
 * Refuses a checkpoint that holds tensors of which the model knows nothing: whoever trained it computed with them.
 *
 * @param known the names of all tensors that the model has, in whatever form
 * @throws EsparseError 'checkpoint' naming some of the others
 */
export function refuseOthers(
  { family, ignoredTensors = [] }: PrunableModel,
  known: ReadonlySet<string>,
  found: Iterable<string>,
): void {
  const ignored = [...IGNORED, ...ignoredTensors];
  const others = [...found].filter((name) => !known.has(name) && !ignored.some((form) => form.test(name)));
  if (others.length === 0) return;
  const named = others.slice(0, NAMED).map((name) => `'${name}'`);
  const rest = others.length > NAMED ? ` and ${others.length - NAMED} more` : '';
  throw new EsparseError(
    'checkpoint',
    `the checkpoint has tensors that a model of the family '${family}' with this config.json does not: ${named.join(', ')}${rest}`,
    {
      hint: 'config.json and the safetensors files must be of the same model; a family of your own (--family) may know more tensors, or ignore some',
      context: { tensor: others[0]! },
    },
  );
}

function check(expected: TensorSpec, tensors: ReadonlyMap<string, StoredTensor>): void {
  const { name } = expected;
  const shape = expected.shape.join(' x ');
  const found = tensors.get(name);
  if (found === undefined) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' (${shape} by config.json) is missing from the checkpoint`,
      {
        hint: 'config.json and the safetensors files must be of the same model, in BF16, F16 or F32',
        context: { tensor: name },
      },
    );
  }
  if (
    found.shape.length !== expected.shape.length ||
    found.shape.some((size, i) => size !== expected.shape[i])
  ) {
    throw new EsparseError(
      'checkpoint',
      `tensor '${name}' is ${found.shape.join(' x ') || 'a scalar'} ${found.dtype}, but config.json implies ${shape}`,
      {
        hint: 'config.json and the safetensors files must be of the same model',
        context: { tensor: name },
      },
    );
  }
}
