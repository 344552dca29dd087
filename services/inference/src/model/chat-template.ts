import type { TokenizerFile } from '@esparse/checkpoint';
import { isObject, jsonOf } from './json.ts';

/** A checkpoint's own way to write a chat as a prompt: a Jinja template, and the special tokens that it may use. */
export interface ChatTemplate {
  readonly source: string;
  readonly specialTokens: Readonly<Record<string, string>>;
}

/** The special tokens that templates know by name. */
export const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token'];

/**
 * Finds the template: the file `chat_template.jinja`, else `chat_template.json`, else `chat_template` in
 * tokenizer_config.json; of several that are named, the one called `default`.
 *
 * @param instead the source of a template that is used instead
 */
export function chatTemplateIn(files: readonly TokenizerFile[], instead?: string): ChatTemplate | undefined {
  const config = jsonOf(files, 'tokenizer_config.json');
  const source = instead ?? sourceIn(files, config);
  if (source === undefined) return undefined;
  const specialTokens: Record<string, string> = {};
  for (const name of SPECIAL_TOKENS) {
    const token = config[name];
    const content = isObject(token) ? token.content : token;
    if (typeof content === 'string') specialTokens[name] = content;
  }
  return { source, specialTokens };
}

function sourceIn(
  files: readonly TokenizerFile[],
  config: Readonly<Record<string, unknown>>,
): string | undefined {
  const file = files.find(({ name }) => name === 'chat_template.jinja');
  if (file !== undefined) return new TextDecoder().decode(file.bytes);
  return sourceOf(jsonOf(files, 'chat_template.json').chat_template) ?? sourceOf(config.chat_template);
}

function sourceOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.filter(isObject).find(({ name }) => name === 'default');
  return typeof named?.template === 'string' ? named.template : undefined;
}
