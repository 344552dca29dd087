import { chatTemplateSource, type TokenizerFile } from '@esparse/checkpoint';
import { isObject, jsonOf } from './json.ts';

/** A checkpoint's own way to write a chat as a prompt: a Jinja template, and the special tokens that it may use. */
export interface ChatTemplate {
  readonly source: string;
  readonly specialTokens: Readonly<Record<string, string>>;
}

/** The special tokens that templates know by name. */
export const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token'];

/**
 * Finds the template, see `chatTemplateSource`, and its special tokens.
 *
 * @param instead the source of a template that is used instead
 */
export function chatTemplateIn(files: readonly TokenizerFile[], instead?: string): ChatTemplate | undefined {
  const config = jsonOf(files, 'tokenizer_config.json');
  const source = instead ?? chatTemplateSource(files);
  if (source === undefined) return undefined;
  const specialTokens: Record<string, string> = {};
  for (const name of SPECIAL_TOKENS) {
    const token = config[name];
    const content = isObject(token) ? token.content : token;
    if (typeof content === 'string') specialTokens[name] = content;
  }
  return { source, specialTokens };
}
