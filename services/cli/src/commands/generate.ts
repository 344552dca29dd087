import { Command, Option } from 'commander';
import { endTokensOf, makeTokenText, makeTokenizer } from '@esparse/checkpoint';
import { generate, openEngine } from '@esparse/engine';
import { readTokenizerFiles } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { cacheOf, cacheOptions, type CacheFlags } from '../cache-options.ts';
import { withCancellation } from '../cancel.ts';
import { anyInteger, integer, nonNegative, share } from '../option-types.ts';

interface Flags extends CacheFlags {
  readonly store: string;
  readonly run?: string;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed?: number;
  readonly bos: boolean;
  readonly threads?: number;
  readonly json: boolean;
}

/** `esparse generate` */
export function generateCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  return new Command('generate')
    .description(
      'Goes on from a prompt with a pruned model, straight from its store, printing tokens as they come.',
    )
    .addOption(
      new Option('--store <dir|s3://…>', 'store of a pruned model')
        .env('ESPARSE_STORE')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--run <fingerprint>',
        'run of the store, or its first digits (default: the current one)',
      ).env('ESPARSE_RUN'),
    )
    .addOption(
      new Option('--prompt <text>', 'text to go on from').env('ESPARSE_PROMPT').makeOptionMandatory(),
    )
    .addOption(
      new Option('--max-tokens <n>', 'the most tokens to generate')
        .default(128)
        .env('ESPARSE_MAX_TOKENS')
        .argParser(integer(1, 1_000_000)),
    )
    .addOption(
      new Option('--temperature <t>', '0 takes the likeliest token each time, 1 draws as the model says')
        .default(0)
        .env('ESPARSE_TEMPERATURE')
        .argParser(nonNegative),
    )
    .addOption(
      new Option('--top-p <p>', 'draw among the likeliest tokens that together have this probability')
        .default(1)
        .env('ESPARSE_TOP_P')
        .argParser(share),
    )
    .addOption(
      new Option('--top-k <n>', 'draw among so many of the likeliest tokens; 0 for all')
        .default(0)
        .env('ESPARSE_TOP_K')
        .argParser(integer(0, 1_000_000)),
    )
    .addOption(
      new Option('--seed <n>', 'seed of the draws (default: another one each time)')
        .env('ESPARSE_SEED')
        .argParser(anyInteger),
    )
    .addOption(
      new Option('--bos', 'begin the prompt with the BOS token, also where its tokenizer would not')
        .default(false)
        .env('ESPARSE_BOS'),
    )
    .addOption(
      new Option('--threads <n>', 'compute threads (default: all processors)')
        .env('ESPARSE_THREADS')
        .argParser(integer(1, 256)),
    )
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(new Option('--json', 'print one JSON object at the end').default(false).env('ESPARSE_JSON'))
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  const { store, prompt, maxTokens, temperature, topP, topK, seed, threads, json } = flags;
  const stored = await (await openStore(store)).openRun(flags.run);
  const engine = await openEngine({ store, run: stored.fingerprint, threads, ...cacheOf(flags) });
  try {
    const files = await readTokenizerFiles(stored);
    const { config } = engine.attributes;
    const tokenizer = makeTokenizer(files, store, config);
    const endTokens = await endTokensOf(files, config, tokenizer);
    const tokens = await tokenizer.encode(prompt, { bos: flags.bos || tokenizer.addsBos, signal });
    const stream = makeTokenText(files, store).stream();
    const write = (text: string) => {
      if (!json) process.stdout.write(text);
      return text;
    };
    const generated = generate(engine, {
      prompt: tokens,
      maxTokens,
      sampling: { temperature, topP, topK, seed },
      endTokens,
      signal,
    });
    let text = '';
    let count = 0;
    let finish = await generated.next();
    for (; finish.done !== true; finish = await generated.next()) {
      count++;
      text += write(stream.push(finish.value));
    }
    text += write(stream.end());
    if (!json) process.stdout.write('\n');
    else {
      const report = {
        run: engine.run,
        text,
        finish: finish.value,
        promptTokens: tokens.length,
        tokens: count,
      };
      process.stdout.write(`${JSON.stringify(report)}\n`);
    }
  } finally {
    await engine.close();
  }
}
