import { InvalidArgumentError, Option } from 'commander';
import { EsparseError } from '@esparse/errors';
import { PIPELINES } from '@esparse/pipelines';
import { configurePipeline, SHUFFLES, type ConfiguredPipeline } from '@esparse/sparsity';
import { findPipeline } from '../load-pipeline.ts';
import { LOAD_TIMEOUT_SECONDS, loadWithin } from '../load-within.ts';
import { numeric } from './shared.ts';
import { integer } from './values.ts';

/** How a run prunes. */
export interface PipelineFlags {
  readonly pipeline: string;
  readonly set?: Settings;
  readonly alpha?: unknown;
  readonly bins?: unknown;
  readonly entropyRange?: unknown;
  readonly shuffle?: unknown;
  readonly pluginTimeout: number;
}

/** Solving for the weights of the widest linears takes minutes. */
const PLUGIN_TIMEOUT_SECONDS = 1800;

/** Timers of Node count milliseconds in 31 bits. */
const MAX_TIMEOUT_SECONDS = 2_000_000;

/** Options of a pipeline by name, as a command line gives them. */
type Settings = Readonly<Record<string, unknown>>;

/** The options of `PipelineFlags`. */
export function pipelineOptions(): Option[] {
  return [
    new Option(
      '--pipeline <name|file|package>',
      `how to prune: ${[...PIPELINES.keys()].join(', ')}; or a file of TypeScript or JavaScript, or an npm package`,
    )
      .default('e-sparse')
      .env('ESPARSE_PIPELINE'),
    new Option(
      '--set <option=value>',
      'an option of the pipeline (`esparse pipelines` lists them), its value as JSON or as plain text; may be repeated (in the ' +
        'variable: one a line)',
    )
      .env('ESPARSE_SET')
      .argParser(settings),
    shorthand('--alpha <a>', 'alpha', 'the weight of the amplitude against the entropy', 'ESPARSE_ALPHA'),
    shorthand('--bins <n>', 'bins', "the bins of the entropy's histogram", 'ESPARSE_BINS'),
    shorthand(
      '--entropy-range <range>',
      'range',
      'what the bins span: channel or tap',
      'ESPARSE_ENTROPY_RANGE',
    ),
    shorthand('--shuffle <kind>', 'shuffle', Object.keys(SHUFFLES).join(', '), 'ESPARSE_SHUFFLE'),
    numeric(
      '--plugin-timeout <seconds>',
      'how long one call of a metric, shuffle, stage or statistic may take',
      PLUGIN_TIMEOUT_SECONDS,
      'ESPARSE_PLUGIN_TIMEOUT',
      integer(1, MAX_TIMEOUT_SECONDS),
    ),
  ];
}

function shorthand(flags: string, option: string, meaning: string, variable: string): Option {
  return new Option(flags, `short for --set ${option}=…: ${meaning}`).env(variable).argParser(settingValue);
}

/**
 * The pipeline that the flags name, with the options that they give it. One that is not built in must load within
 * `--plugin-timeout`, and a minute at most: see `loadWithin`.
 *
 * @throws EsparseError 'usage' for a pipeline that is not there, hangs, or has not or does not take an option
 */
export async function configuredPipeline(flags: PipelineFlags): Promise<ConfiguredPipeline> {
  const settings = settingsOf(flags);
  const load = async () => {
    const { pipeline, source } = await findPipeline(flags.pipeline);
    return configurePipeline(pipeline, settings, source);
  };
  if (PIPELINES.has(flags.pipeline)) return load();
  const seconds = Math.min(flags.pluginTimeout, LOAD_TIMEOUT_SECONDS);
  return loadWithin(1000 * seconds, `pipeline ${flags.pipeline}`, load);
}

function settingsOf({ set = {}, alpha, bins, entropyRange, shuffle }: PipelineFlags): Settings {
  const given = Object.entries({ alpha, bins, range: entropyRange, shuffle }).filter(
    ([, value]) => value !== undefined,
  );
  const twice = given.find(([name]) => Object.hasOwn(set, name));
  if (twice === undefined) return { ...set, ...Object.fromEntries(given) };
  throw new EsparseError('usage', `the option ${twice[0]} is given by --set and by its short form`);
}

/** `name=value`, one or one a line, added to those before. */
export function settings(text: string, before: Settings | undefined): Settings {
  const added = text.split('\n').filter((line) => line.trim() !== '');
  return { ...before, ...Object.fromEntries(added.map(setting)) };
}

function setting(text: string): [name: string, value: unknown] {
  const [, name, value] = /^\s*([A-Za-z][\w-]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError('Expected OPTION=VALUE, such as alpha=2.');
  return [name, settingValue(value)];
}

/** A value as JSON, or as the text that it is. */
export function settingValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
