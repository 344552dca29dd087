import { InvalidArgumentError, Option } from 'commander';
import { isEsparseError } from '@esparse/errors';
import { MIN_EXPERT_TOKENS, parseLayerRule, type LayerRule } from '@esparse/pruner';
import { formatPattern, type Pattern } from '@esparse/sparsity';
import { ownOptions, type OwnFlags } from './own.ts';
import { numeric } from './shared.ts';
import { pattern, USUAL_PATTERN } from './pattern.ts';
import { integer } from './values.ts';
import { pipelineOptions, type PipelineFlags } from './pipeline.ts';

/** What a run does, planned or carried out. */
export interface RunFlags extends PipelineFlags, OwnFlags {
  readonly pattern: Pattern | 'dense';
  readonly layer?: readonly LayerRule[];
  readonly denseValues?: 'int8' | 'int4' | 'int3';
  readonly samples: number;
  readonly seqlen: number;
  readonly seed: number;
  readonly bos: boolean;
  readonly skipIndivisible: boolean;
  readonly expertTokens: number;
  readonly combine?: 'pruner' | 'worker';
  readonly figures: boolean;
  readonly figureTokens: boolean;
}

/** The options of `RunFlags`: of a run, and of its plan. */
export function runOptions(): Option[] {
  return [
    ...pipelineOptions(),
    ...ownOptions(),
    new Option(
      '--pattern <keep:group>',
      'weights kept of every group of consecutive inputs; `dense` prunes nothing but what --layer names',
    )
      .default(USUAL_PATTERN, formatPattern(USUAL_PATTERN))
      .env('ESPARSE_PATTERN')
      .argParser(pattern),
    new Option(
      '--layer <names=pattern>',
      "another pattern, or `dense`, for linears by a glob of their names blocks.K.LINEAR: 'blocks.0.*=dense', " +
        "'*.down_proj=4:8'; may be repeated, the last that matches a linear holds",
    )
      .env('ESPARSE_LAYER')
      .argParser(layerRules),
    new Option(
      '--dense-values <type>',
      'what matrices that are not pruned are stored as: linears left dense, embedding, head (default: as in the checkpoint)',
    )
      .choices(['int8', 'int4', 'int3'])
      .env('ESPARSE_DENSE_VALUES'),
    numeric(
      '--samples <n>',
      'calibration windows; of a graph samples, at most',
      128,
      'ESPARSE_SAMPLES',
      integer(1, 1_000_000),
    ),
    numeric('--seqlen <n>', 'tokens of a window', 512, 'ESPARSE_SEQLEN', integer(2, 131_072)),
    numeric('--seed <n>', "seed of the windows' offsets", 0, 'ESPARSE_SEED', integer(0, 2 ** 31 - 1)),
    new Option('--bos', 'begin the tokenized calibration text with the BOS token')
      .default(false)
      .env('ESPARSE_BOS'),
    new Option('--skip-indivisible', 'leave linears dense whose inputs are not divisible by the group')
      .default(false)
      .env('ESPARSE_SKIP_INDIVISIBLE'),
    numeric(
      '--expert-tokens <n>',
      'tokens that must have gone to an expert for its own statistics to be used; with fewer, those of all tokens of the layer are',
      MIN_EXPERT_TOKENS,
      'ESPARSE_EXPERT_TOKENS',
      integer(1, 1_000_000_000),
    ),
    new Option(
      '--figures',
      'take figures for `esparse report`: the share of the score that is lost, the mean score and the histogram of every channel, ' +
        'and how the error grows over the blocks',
    )
      .default(false)
      .env('ESPARSE_FIGURES'),
    new Option(
      '--figure-tokens',
      'with --figures, which it implies: also the tokens of the calibration at which each channel is the largest; the store then ' +
        'has the tokens of the calibration text',
    )
      .default(false)
      .implies({ figures: true })
      .env('ESPARSE_FIGURE_TOKENS'),
    new Option(
      '--combine <where>',
      'where activations become statistics: worker sends far fewer bytes, the store is the same but for Hessians (default: pruner; ' +
        'worker with --device cuda, where workers know all statistics)',
    )
      .choices(['pruner', 'worker'])
      .env('ESPARSE_COMBINE'),
  ];
}

/** Rules for layers, after those before; several in one text (as in a variable) are separated by spaces. */
function layerRules(text: string, before: readonly LayerRule[] | undefined): LayerRule[] {
  try {
    return [...(before ?? []), ...text.trim().split(/\s+/).map(parseLayerRule)];
  } catch (error) {
    throw isEsparseError(error) ? new InvalidArgumentError(`${error.message}: ${error.hint ?? ''}`) : error;
  }
}
