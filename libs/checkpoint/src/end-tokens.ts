import { isObject, parseJsonObject } from './json.ts';
import type { TokenizerFile } from './tokenizer-files.ts';
import type { TextTokenizer } from './tokenizer.ts';

/**
 * The tokens that end a text: `eos_token_id` of config.json and of generation_config.json, one or several, and the
 * `eos_token` of tokenizer_config.json.
 *
 * @param files see `tokenizerFiles`
 * @param config the model's config.json
 */
export async function endTokensOf(
  files: readonly TokenizerFile[],
  config: Readonly<Record<string, unknown>>,
  tokenizer: TextTokenizer,
): Promise<ReadonlySet<number>> {
  const generation = jsonOf(files, 'generation_config.json');
  const ids = new Set([...idsIn(config.eos_token_id), ...idsIn(generation.eos_token_id)]);
  const token = jsonOf(files, 'tokenizer_config.json').eos_token;
  const content = isObject(token) ? token.content : token;
  if (typeof content === 'string' && content !== '') {
    // A special token spelled out in a text is that token.
    const encoded = await tokenizer.encode(content, { bos: false });
    if (encoded.length === 1) ids.add(encoded[0]!);
  }
  return ids;
}

function jsonOf(files: readonly TokenizerFile[], name: string): Readonly<Record<string, unknown>> {
  const file = files.find((candidate) => candidate.name === name);
  return file === undefined ? {} : parseJsonObject(file.bytes, name);
}

function idsIn(value: unknown): number[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all.filter((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0);
}
