import { createHash } from 'node:crypto';
import {
  endTokensOf,
  makeTokenizer,
  makeTokenText,
  type TextTokenizer,
  type TokenizerFile,
  type TokenText,
} from '@esparse/checkpoint';
import type { FoundModel } from './model-facts.ts';
import { chatTemplateIn, type ChatTemplate } from './chat-template.ts';

/** Everything about a model that is text: how prompts become tokens and tokens text, how chats are written. */
export interface TextSide {
  /** Digest of the files it was made of: equal digests, equal behaviour. */
  readonly digest: string;
  /** To be closed when no model has this text side any more. */
  readonly tokenizer: TextTokenizer;
  readonly tokenText: TokenText;
  /** Undefined where the checkpoint has none. */
  readonly chatTemplate: ChatTemplate | undefined;
  /** Tokens that end a text: of config.json and generation_config.json, and the tokenizer's EOS. */
  readonly endTokens: readonly number[];
}

export interface TextSideOptions {
  /** A text side that may do. */
  readonly before: TextSide | undefined;
  /** The source of a template that is used instead of the checkpoint's. */
  readonly chatTemplate: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Opens the tokenizer of a model. Where its files are those of `before`, `before` is returned: to parse a large
 * tokenizer takes a quarter of a second, and a new run of the same model has the same one.
 */
export async function openTextSide(
  { facts: { config }, files, where }: FoundModel,
  { before, chatTemplate, signal }: TextSideOptions,
): Promise<TextSide> {
  const digest = digestOf(files, config);
  if (digest === before?.digest) return before;
  const tokenizer = await makeTokenizer(files, where, { config, signal });
  try {
    return {
      digest,
      tokenizer,
      tokenText: makeTokenText(files, where),
      chatTemplate: chatTemplateIn(files, chatTemplate),
      endTokens: [...(await endTokensOf(files, config, tokenizer))],
    };
  } catch (error) {
    tokenizer.close();
    throw error;
  }
}

function digestOf(files: readonly TokenizerFile[], config: Readonly<Record<string, unknown>>): string {
  const hash = createHash('sha256').update(JSON.stringify([config.eos_token_id, config.bos_token_id]));
  for (const { name, bytes } of files) hash.update(`\n${name} ${bytes.length}\n`).update(bytes);
  return hash.digest('hex');
}
