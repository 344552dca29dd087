import { Command } from 'commander';
import { PIPELINES } from '@esparse/pipelines';
import { commonOptions, describeOptions, type OptionDescription, type Pipeline } from '@esparse/sparsity';
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
      const common = describeOptions(commonOptions);
      process.stdout.write(
        json
          ? `${JSON.stringify({ pipelines: all, options: common })}\n`
          : `${all.map(render).join('')}All of them:\n${common.map(renderOption).join('')}`,
      );
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
  return `${name}: ${summary}${paper === undefined ? '' : ` (${paper})`}\n${options.map(renderOption).join('')}`;
}

function renderOption(option: OptionDescription): string {
  return `    ${option.name} = ${shown(option)}  (${option.type}) ${option.description ?? ''}\n`;
}

function shown({ default: value, required = false }: OptionDescription): string {
  if (value === undefined) return required ? 'to be given' : 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
