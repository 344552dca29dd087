import { EsparseError, isEsparseError, messageOf, whereThrown } from '@esparse/errors';
import { checkPlugin } from '@esparse/statistics';
import { z } from 'zod';
import type { BlockStage } from './block-stage.ts';
import { commonOptions } from './common-options.ts';
import type { Metric } from './metric.ts';
import {
  resolveOptions,
  type JsonObject,
  type NoOptions,
  type OptionsOf,
  type OptionsSchema,
} from './plugin-options.ts';
import type { Shuffle } from './shuffle.ts';
import { none } from './shuffles/none.ts';
import type { Plugin } from './plugin.ts';
import type { Stage } from './stage.ts';

/** What a pipeline does between the statistics of a block and its commit. */
export interface PipelineParts {
  readonly metric: Metric;
  /** @default none */
  readonly shuffle?: Shuffle;
  /** Steps between mask and pack, in their order. @default none */
  readonly stages?: readonly Stage[];
  /** Steps between the masks of all linears of a block and its commit, in their order. @default none */
  readonly blockStages?: readonly BlockStage[];
}

/** A way to prune: the same stream for all, with another metric, another order and other stages. Data plus functions. */
export interface Pipeline<Schema extends OptionsSchema = OptionsSchema> {
  /** As `--pipeline` takes it: lower-case words joined by dashes. */
  readonly name: string;
  /** One line for a list of pipelines. */
  readonly summary: string;
  /** Where it was published, such as 'arXiv 2310.15929'. */
  readonly paper?: string;
  /** Part of a run's fingerprint: raised when the same options give other weights. @default 1 */
  readonly version?: number;
  /** Its options, as `--set` takes them. @default none */
  readonly options?: Schema;
  create(options: OptionsOf<Schema>['resolved']): PipelineParts;
}

/** A pipeline with nothing left out. */
export type DefinedPipeline<Schema extends OptionsSchema = OptionsSchema> = Pipeline<Schema> &
  Required<Pick<Pipeline<Schema>, 'version' | 'options'>>;

/** Where a pipeline was loaded from, where it does not come with esparse. */
export interface PipelineSource {
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly sha256: string;
  /** The package that it is of, with its version, such as 'esparse-mine@1.2.0'. */
  readonly package?: string;
}

/** A pipeline with its options: what a run does. */
export interface ConfiguredPipeline {
  readonly name: string;
  readonly summary: string;
  readonly version: number;
  /** The options, defaults among them. */
  readonly options: JsonObject;
  /** Whether the change of each linear's output is found, where activations are gathered anyway: see `commonOptions`. */
  readonly outputError: boolean;
  readonly metric: Metric;
  readonly shuffle: Shuffle;
  readonly stages: readonly Stage[];
  readonly blockStages: readonly BlockStage[];
  readonly source?: PipelineSource;
}

/**
 * Defines a pipeline.
 *
 * @throws EsparseError 'usage' for a name or version that no pipeline may have, and for an option that every pipeline has
 */
export function definePipeline<Schema extends OptionsSchema = NoOptions>(
  definition: Pipeline<Schema>,
): DefinedPipeline<Schema> {
  // Without options, `Schema` is `NoOptions`.
  const { version = 1, options = z.object({}) as unknown as Schema } = definition;
  checkPlugin('pipeline', definition.name, version);
  const taken = Object.keys(options.shape).find((option) => Object.hasOwn(commonOptions.shape, option));
  if (taken !== undefined) {
    throw new EsparseError('usage', `pipeline ${definition.name} declares the option ${taken}`, {
      hint: 'every pipeline has an option of this name already: choose another one',
    });
  }
  return { ...definition, version, options };
}

/**
 * Configures a pipeline: checks its options and makes its parts.
 *
 * @param given by name; those left out have their defaults
 * @throws EsparseError 'usage' for options that it did not declare, where its parts refuse theirs, and where what it makes is
 *   no metric, shuffle or stage
 */
export function configurePipeline<Schema extends OptionsSchema>(
  pipeline: Pipeline<Schema>,
  given: Readonly<Record<string, unknown>> = {},
  source?: PipelineSource,
): ConfiguredPipeline {
  const { name, summary, version = 1, options: schema } = pipeline;
  checkPlugin('pipeline', name, version);
  const who = `pipeline ${name}`;
  const { common, own } = apart(given);
  const { outputError } = resolveOptions(who, commonOptions, common).values;
  const { values, json } = resolveOptions(who, schema, own);
  const {
    metric,
    shuffle = none(),
    stages = [],
    blockStages = [],
  } = partsOf(who, schema, () => pipeline.create(values));
  checkPart(who, 'metric', metric, 'score');
  checkPart(who, 'shuffle', shuffle, 'order');
  checkList(who, 'stage', stages);
  checkList(who, 'block stage', blockStages);
  checkIntegersLast(who, stages, blockStages);
  return {
    name,
    summary,
    version,
    options: json,
    outputError,
    metric,
    shuffle,
    stages,
    blockStages,
    ...(source === undefined ? {} : { source }),
  };
}

/** The options that every pipeline has, and those of its own. */
function apart(given: Readonly<Record<string, unknown>>) {
  const isCommon = ([name]: readonly [string, unknown]) => Object.hasOwn(commonOptions.shape, name);
  const entries = Object.entries(given);
  return {
    common: Object.fromEntries(entries.filter(isCommon)),
    own: Object.fromEntries(entries.filter((entry) => !isCommon(entry))),
  };
}

/** What `create` returns; what it throws becomes an error of the pipeline, with the options that may be the reason. */
function partsOf(who: string, schema: OptionsSchema | undefined, create: () => unknown): PipelineParts {
  try {
    return checkParts(create());
  } catch (error) {
    const options = `the options of ${who} are ${Object.keys(schema?.shape ?? {}).join(', ') || 'none'}`;
    const why = isEsparseError(error) ? error.hint : whereThrown(error);
    throw new EsparseError('usage', `${who}: ${messageOf(error)}`, {
      hint: why === undefined ? options : `${why}; ${options}`,
      cause: error,
    });
  }
}

const PARTS: readonly string[] = ['metric', 'shuffle', 'stages', 'blockStages'];

/** Plain JavaScript may return anything, and a misspelt name compiles: what it holds would be left out silently. */
function checkParts(made: unknown): PipelineParts {
  if (typeof made !== 'object' || made === null || 'then' in made) {
    const what = typeof made === 'object' && made !== null ? 'a promise' : String(made);
    throw new EsparseError(
      'usage',
      `create() gives ${what}, expected { metric, shuffle, stages, blockStages }`,
    );
  }
  const unknown = Object.keys(made).find((name) => !PARTS.includes(name));
  if (unknown !== undefined)
    throw new EsparseError('usage', `create() gives ${unknown}, which is none of ${PARTS.join(', ')}`);
  return made as PipelineParts;
}

/** A block stage changes weights, of which one that makes integers leaves none: of the block, at most the last one does. */
function checkIntegersLast(who: string, stages: readonly Stage[], blockStages: readonly BlockStage[]): void {
  const steps = [...stages, ...blockStages];
  const rounds = steps.findIndex(({ rounding }) => rounding !== undefined);
  const after = steps.slice(Math.max(rounds + 1, stages.length))[0];
  if (rounds < 0 || after === undefined) return;
  throw new EsparseError(
    'usage',
    `${who}: its stage ${steps[rounds]!.name} makes integers of the survivors, which its block stage ${after.name} could not change`,
    { hint: 'let the last block stage make the integers, as `tune` does by its option `values`' },
  );
}

/** Parts of one kind that follow each other, no two of one name. */
function checkList(who: string, kind: string, list: readonly Plugin[]): void {
  // Plain JavaScript may give anything.
  const given: unknown = list;
  if (!Array.isArray(given)) throw new EsparseError('usage', `${who}: its ${kind}s are no list`);
  for (const part of list) checkPart(who, kind, part, 'run');
  const twice = list.find((part, i) => list.findIndex((other) => other.name === part.name) < i);
  if (twice !== undefined) throw new EsparseError('usage', `${who} has two ${kind}s called ${twice.name}`);
}

/** Parts may be plain objects of plain JavaScript: what they must have is checked before a run begins. */
function checkPart(who: string, kind: string, part: unknown, method: string): void {
  const {
    name,
    version = 1,
    ...rest
  } = (typeof part === 'object' && part !== null ? part : {}) as Record<string, unknown>;
  if (typeof rest[method] !== 'function') {
    throw new EsparseError('usage', `${who}: its ${kind} has no ${method}()`, {
      hint: `make it with ${definitionOf(kind)} of @esparse/api, and call what that gives`,
    });
  }
  checkPlugin(kind, name, version);
  if (kind === 'block stage') {
    const { states } = rest;
    if (states === 'none' || states === 'pruned' || states === 'both') return;
    throw new EsparseError(
      'usage',
      `${who}: its block stage ${String(name)} does not say which states it needs`,
      {
        hint: "states: 'none', 'pruned' or 'both'",
      },
    );
  }
  if (kind !== 'shuffle' && (typeof rest.statistics !== 'object' || rest.statistics === null))
    throw new EsparseError(
      'usage',
      `${who}: its ${kind} ${String(name)} does not say which statistics it needs`,
      { hint: 'declare them by name; statistics: {} for none' },
    );
}

/** Such as defineBlockStage. */
function definitionOf(kind: string): string {
  return `define${kind
    .split(' ')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('')}`;
}
