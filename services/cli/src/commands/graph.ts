import { Command, Option } from 'commander';
import { openCheckpoint } from '@esparse/checkpoint';
import { describePrunableCheckpoint, type AnyModel } from '@esparse/model';
import { withCancellation } from '../cancel.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { mermaidOf, pipelineGraph } from '../pipeline-graph.ts';
import { configuredPipeline, pipelineOptions, type PipelineFlags } from '../options/pipeline.ts';

interface Flags extends PipelineFlags, FamilyFlags {
  readonly model?: string;
  readonly format: 'mermaid' | 'json';
}

/** `esparse graph` */
export function graphCommand(): Command {
  const command = new Command('graph').description(
    'Draws what happens to a block: taps, statistics, metric, shuffle, stages, commit, with their options.',
  );
  for (const option of pipelineOptions()) command.addOption(option);
  return command
    .addOption(familyOption())
    .addOption(
      new Option(
        '--model <dir|s3://…|https://…|hf:…>',
        'checkpoint, or NET.onnx, whose taps and linears are drawn, too (default: none)',
      ).env('ESPARSE_MODEL'),
    )
    .addOption(
      new Option('--format <format>', 'a flowchart for Mermaid, or one JSON object of nodes and edges')
        .choices(['mermaid', 'json'])
        .default('mermaid')
        .env('ESPARSE_FORMAT'),
    )
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run({ model, format, ...flags }: Flags, signal: AbortSignal): Promise<void> {
  await loadedFamily(flags);
  const pipeline = await configuredPipeline(flags);
  const graph = pipelineGraph(pipeline, model === undefined ? undefined : await describe(model, signal));
  process.stdout.write(format === 'json' ? `${JSON.stringify(graph)}\n` : mermaidOf(graph));
}

async function describe(model: string, signal: AbortSignal): Promise<AnyModel> {
  const checkpoint = await openCheckpoint(model, signal);
  try {
    return describePrunableCheckpoint(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
