import { isObject, parseJsonObject } from './json.ts';
import type { TokenizerFile } from './tokenizer-files.ts';

/**
 * The Jinja source of a checkpoint's chat template: the file `chat_template.jinja`, else `chat_template.json`, else
 * `chat_template` in tokenizer_config.json; of several that are named, the one called `default`.
 *
 * @param files see `tokenizerFiles`
 */
export function chatTemplateSource(files: readonly TokenizerFile[]): string | undefined {
  const fileNamed = (wanted: string) => files.find(({ name }) => name === wanted)?.bytes;
  const jinja = fileNamed('chat_template.jinja');
  if (jinja !== undefined) return new TextDecoder().decode(jinja);
  for (const name of ['chat_template.json', 'tokenizer_config.json']) {
    const bytes = fileNamed(name);
    const source = bytes && sourceOf(parseJsonObject(bytes, name).chat_template);
    if (source !== undefined) return source;
  }
  return undefined;
}

function sourceOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.filter(isObject).find(({ name }) => name === 'default');
  return typeof named?.template === 'string' ? named.template : undefined;
}
