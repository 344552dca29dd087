import { Command } from 'commander';
import { PIPELINES } from '@esparse/pipelines';
import { describeOptions, type OptionDescription, type Pipeline } from '@esparse/sparsity';
import { jsonOption } from '../options/shared.ts';

interface Flags {
  readonly json: boolean;
}

/** `esparse pipelines` */
export function pipelinesCommand(): Command {
  return new Command('pipelines')
    .description(
      'Lists the pipelines that come with esparse, one line each, with the options that --set takes.',
    )
    .addOption(jsonOption())
    .action(({ json }: Flags) => {
      const all = [...PIPELINES.values()].map(describe);
      process.stdout.write(json ? `${JSON.stringify({ pipelines: all })}\n` : all.map(render).join(''));
    });
}

type Description = Pick<Pipeline, 'name' | 'summary' | 'paper' | 'version'> & {
  readonly options: readonly OptionDescription[];
};

function describe({ name, summary, paper, version, options }: Pipeline): Description {
  return {
    name,
    summary,
    ...(paper === undefined ? {} : { paper }),
    version: version ?? 1,
    options: describeOptions(options),
  };
}

function render({ name, summary, paper, options }: Description): string {
  const lines = options.map(
    (option) => `    ${option.name} = ${shown(option)}  (${option.type}) ${option.description ?? ''}\n`,
  );
  return `${name}: ${summary}${paper === undefined ? '' : ` (${paper})`}\n${lines.join('')}`;
}

function shown({ default: value, required = false }: OptionDescription): string {
  if (value === undefined) return required ? 'to be given' : 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
