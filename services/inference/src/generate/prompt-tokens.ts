import { invalidField, isEsparseError, RequestError } from '@esparse/errors';
import type { EncodeOptions } from '@esparse/checkpoint';
import { MAX_CHARACTERS_PER_TOKEN, MAX_PROMPT_CHARACTERS } from '../limits.ts';
import type { ChatMessage, ChatRenderer } from '../model/chat-renderer.ts';
import type { ServedModel } from '../model/served-model.ts';
import type { TextRequest } from './service.ts';

export interface TokenizeOptions {
  readonly renderer: ChatRenderer;
  readonly signal: AbortSignal;
}

/** Makes tokens of the prompts of a request, or of its chat. @throws RequestError `invalid` */
export async function tokenizePrompts(
  prompts: TextRequest['prompts'],
  model: ServedModel,
  { renderer, signal }: TokenizeOptions,
): Promise<Uint32Array[]> {
  if ('messages' in prompts) return [await tokenizeChat(prompts.messages, model, renderer, signal)];
  const { tokenizer } = model.text;
  const tokens: Uint32Array[] = [];
  for (const prompt of prompts) {
    if (typeof prompt === 'string') {
      requireLength(prompt, 'prompt', model);
      const encoded = await encode(prompt, 'prompt', model, { bos: tokenizer.addsBos, signal });
      // An empty prompt begins a text of the model's own.
      const begin =
        encoded.length === 0 && tokenizer.bosId !== undefined ? Uint32Array.of(tokenizer.bosId) : encoded;
      tokens.push(
        requireTokens(begin, 'prompt', 'it is empty, and this model has no BOS token to begin with'),
      );
    } else tokens.push(tokensGiven(prompt, model.engine.vocab));
  }
  return tokens;
}

async function tokenizeChat(
  messages: readonly ChatMessage[],
  model: ServedModel,
  renderer: ChatRenderer,
  signal: AbortSignal,
): Promise<Uint32Array> {
  const { chatTemplate } = model.text;
  if (chatTemplate === undefined) {
    throw new RequestError('invalid', `the model ${model.name} has no chat template: use /v1/completions`, {
      param: 'messages',
      code: 'no_chat_template',
    });
  }
  const text = await renderer.render(chatTemplate, messages, signal);
  requireLength(text, 'messages', model);
  // A template writes the BOS token itself.
  const tokens = await encode(text, 'messages', model, { bos: false, signal });
  return requireTokens(tokens, 'messages', 'the chat template writes nothing of them');
}

/** The tokens of a text. One that the tokenizer cannot take is a fault of the field that it came from. */
async function encode(
  text: string,
  param: string,
  model: ServedModel,
  options: EncodeOptions,
): Promise<Uint32Array> {
  try {
    return await model.text.tokenizer.encode(text, options);
  } catch (error) {
    if (!isEsparseError(error) || error.kind !== 'text') throw error;
    throw invalidField(param, error.message, 'text_not_tokenizable');
  }
}

/** Refuses what is too long to fit whatever its tokens are, or to be tokenized at no cost to others. */
function requireLength(text: string, param: string, { engine: { maxContext } }: ServedModel): void {
  const most = Math.min(MAX_PROMPT_CHARACTERS, maxContext * MAX_CHARACTERS_PER_TOKEN);
  if (text.length <= most) return;
  const message = `a prompt has at most ${most} characters here (context: ${maxContext} tokens), not ${text.length}`;
  throw invalidField(param, message, 'context_length_exceeded');
}

function tokensGiven(prompt: readonly number[], vocab: number): Uint32Array {
  const bad = prompt.find((id) => id >= vocab);
  if (bad !== undefined) throw invalidField('prompt', `${bad} is no token: the vocabulary has ${vocab}`);
  return requireTokens(Uint32Array.from(prompt), 'prompt', 'at least one token id was expected');
}

function requireTokens(tokens: Uint32Array, param: string, why: string): Uint32Array {
  if (tokens.length > 0) return tokens;
  throw invalidField(param, `${param}: ${why}`);
}

/**
 * How many tokens each text of a request may get: as many as asked for, by default as many as fit.
 *
 * @throws RequestError `invalid` where they do not fit into the context
 */
export function tokensToGenerate(
  { maxTokens, defaultTokens, prompts: given }: TextRequest,
  prompts: readonly Uint32Array[],
  { engine: { maxContext } }: ServedModel,
): number {
  const longest = Math.max(...prompts.map(({ length }) => length));
  const left = maxContext - longest;
  const wanted = maxTokens ?? Math.max(1, Math.min(defaultTokens, left));
  if (wanted <= left) return wanted;
  throw invalidField(
    'messages' in given ? 'messages' : 'prompt',
    `this model's context is ${maxContext} tokens; ${longest} in the prompt and ${wanted} to generate are ${longest + wanted}`,
    'context_length_exceeded',
  );
}
