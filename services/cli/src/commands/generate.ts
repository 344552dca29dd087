import { Command, Option } from 'commander';
import { endTokensOf, makeTokenText } from '@esparse/checkpoint';
import { generate, SAMPLING_OPTIONS, type Engine } from '@esparse/engine';
import { cacheOf, cacheOptions, type CacheFlags } from '../options/cache.ts';
import { withCancellation } from '../cancel.ts';
import { engineDeviceOption } from '../options/engine-device.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { openSource, type ModelSource } from '../model-source.ts';
import { jsonOption, threadsOption } from '../options/shared.ts';
import { sourceOptions, type SourceFlags } from '../options/source.ts';
import { within } from '../options/sampling.ts';
import { anyInteger, integer } from '../options/values.ts';
import { verifyOption, type VerifyFlags } from '../options/verify.ts';
import { withEngine } from '../with-engine.ts';

interface Flags extends CacheFlags, OwnFlags, SourceFlags, VerifyFlags {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly topK: number;
  readonly seed?: number;
  readonly bos: boolean;
  readonly threads?: number;
  readonly device?: string;
  readonly json: boolean;
}

/** `esparse generate` */
export function generateCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  const command = new Command('generate').description(
    'Continues a prompt with a pruned model, straight from its store, or with a checkpoint, printing tokens as they are generated.',
  );
  for (const option of sourceOptions()) command.addOption(option);
  return command
    .addOption(new Option('--prompt <text>', 'text to continue').env('ESPARSE_PROMPT').makeOptionMandatory())
    .addOption(
      new Option('--max-tokens <n>', 'the most tokens to generate')
        .default(128)
        .env('ESPARSE_MAX_TOKENS')
        .argParser(integer(1, 1_000_000)),
    )
    .addOption(
      new Option(
        '--temperature <t>',
        '0 takes the most likely token each time, 1 samples from the distribution of the model',
      )
        .default(0)
        .env('ESPARSE_TEMPERATURE')
        .argParser(within(SAMPLING_OPTIONS.temperature.request)),
    )
    .addOption(
      new Option('--top-p <p>', 'sample among the most likely tokens that together have this probability')
        .default(1)
        .env('ESPARSE_TOP_P')
        .argParser(within(SAMPLING_OPTIONS.topP.request)),
    )
    .addOption(
      new Option('--top-k <n>', 'sample among this many of the most likely tokens; 0 or -1 for all')
        .default(0)
        .env('ESPARSE_TOP_K')
        .argParser(within(SAMPLING_OPTIONS.topK.request)),
    )
    .addOption(
      new Option(
        '--min-p <p>',
        'sample among the tokens that are so likely as this share of the most likely one',
      )
        .default(0)
        .env('ESPARSE_MIN_P')
        .argParser(within(SAMPLING_OPTIONS.minP.request)),
    )
    .addOption(
      new Option('--repetition-penalty <x>', 'above 1 tokens that are there already become less likely')
        .default(1)
        .env('ESPARSE_REPETITION_PENALTY')
        .argParser(within(SAMPLING_OPTIONS.repetitionPenalty.request)),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the sampling (default: another one each time)')
        .env('ESPARSE_SEED')
        .argParser(anyInteger),
    )
    .addOption(
      new Option('--bos', 'begin the prompt with the BOS token, also where its tokenizer would not')
        .default(false)
        .env('ESPARSE_BOS'),
    )
    .addOption(engineDeviceOption())
    .addOption(threadsOption('compute threads', 256))
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(verifyOption())
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(jsonOption('print one JSON object at the end'))
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  const { threads, device, verify } = flags;
  await loadOwn(flags);
  const source = await openSource(flags, signal);
  try {
    await withEngine(
      { ...source.place, threads, device, verify, ...cacheOf(flags), signal },
      (engine, stopped) => write(engine, source, flags, stopped),
    );
  } finally {
    await source.close();
  }
}

/** Writes what follows the prompt as it comes, or a report at its end. */
async function write(engine: Engine, source: ModelSource, flags: Flags, signal: AbortSignal): Promise<void> {
  const { prompt, maxTokens, temperature, topP, topK, minP, repetitionPenalty, seed, json } = flags;
  const { tokenizer, tokenizerFiles: files, config, name } = source;
  const endTokens = await endTokensOf(files, config, tokenizer);
  const tokens = await tokenizer.encode(prompt, { bos: flags.bos || tokenizer.addsBos, signal });
  tokenizer.close();
  const stream = makeTokenText(files, name).stream();
  const show = (text: string) => {
    if (!json) process.stdout.write(text);
    return text;
  };
  const generated = generate(engine, {
    prompt: tokens,
    maxTokens,
    sampling: { temperature, topP, topK, minP, repetitionPenalty, seed },
    endTokens,
    signal,
  });
  let text = '';
  let count = 0;
  let finish = await generated.next();
  for (; finish.done !== true; finish = await generated.next()) {
    count++;
    text += show(stream.push(finish.value));
  }
  text += show(stream.end());
  // Not a result of weights that are damaged.
  await engine.verified;
  const report = {
    ...source.identity,
    ...{ text, finish: finish.value, promptTokens: tokens.length, tokens: count },
  };
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : '\n');
}
