import { Option } from 'commander';
import { notEmpty } from './values.ts';
import { runOption } from './shared.ts';

/** Which model a command computes with: a run of a store, or a checkpoint. */
export interface SourceFlags {
  readonly store?: string;
  readonly run?: string;
  readonly model?: string;
}

/**
 * The options of `SourceFlags`: one of --store and --model is given.
 *
 * @param run says more of --run
 */
export function sourceOptions(run?: string): readonly Option[] {
  return [
    new Option('--store <dir|s3://…>', 'store of a pruned model').env('ESPARSE_STORE').argParser(notEmpty),
    runOption(run),
    new Option(
      '--model <dir|s3://…|https://…|hf:…>',
      'Hugging Face checkpoint, run as it is, in the place of a store; hf:org/name[@revision] is a model of the Hugging Face hub',
    )
      .env('ESPARSE_MODEL')
      .argParser(notEmpty)
      .conflicts(['store', 'run']),
  ];
}
