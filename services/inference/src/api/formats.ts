import type { AnswerFormat, SpelledToken } from './answers.ts';

const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `/v1/chat/completions` */
export const chatFormat: AnswerFormat = {
  idPrefix: 'chatcmpl',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  choice: (index, text, logprobs, finish) => ({
    index,
    message: { role: 'assistant', content: text, refusal: null },
    logprobs,
    finish_reason: finish,
  }),
  opening: (index) => ({
    index,
    delta: { role: 'assistant', content: '', refusal: null },
    logprobs: null,
    finish_reason: null,
  }),
  delta: (index, text, logprobs, finish) => ({
    index,
    delta: text === '' ? {} : { content: text },
    logprobs,
    finish_reason: finish,
  }),
  logprobs: (tokens) => ({
    content: tokens.map((token) => ({ ...spelled(token), top_logprobs: token.top.map(spelled) })),
    refusal: null,
  }),
};

function spelled({ bytes, logprob }: { readonly bytes: Uint8Array; readonly logprob: number | null }) {
  return { token: lossy.decode(bytes), logprob, bytes: [...bytes] };
}

/** `/v1/completions` */
export const completionFormat: AnswerFormat = {
  idPrefix: 'cmpl',
  object: 'text_completion',
  chunkObject: 'text_completion',
  choice: (index, text, logprobs, finish) => ({ index, text, logprobs, finish_reason: finish }),
  delta: (index, text, logprobs, finish) => ({ index, text, logprobs, finish_reason: finish }),
  logprobs: (tokens) => ({
    tokens: tokens.map(({ bytes }) => nameOf(bytes)),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(topOf),
    text_offset: tokens.map(({ offset }) => offset),
  }),
};

function topOf({ top, bytes, logprob }: SpelledToken): Record<string, number> | null {
  if (logprob === null) return null;
  // The token itself is listed too where it is not among the most likely, as OpenAI does. Of two that are written alike the
  // likelier counts: whoever asks whether a token was the most likely one compares with the largest.
  const named: Record<string, number> = {};
  for (const token of [...top, { bytes, logprob }]) named[nameOf(token.bytes)] ??= token.logprob;
  return named;
}

/** A token by its text; one that is not whole characters by its bytes, as OpenAI does. */
function nameOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}
