import { invalidField } from '@esparse/errors';
import { z } from 'zod';
import type { Prompt, TextRequest } from '../generate/service.ts';
import { DEFAULT_COMPLETION_TOKENS, MAX_COMPLETION_LOGPROBS, MAX_PROMPTS } from '../limits.ts';
import { commonFields, completionOnlyFields } from './fields.ts';
import { samplingOf } from './sampling-fields.ts';
import { requireShape } from './shape.ts';
import { validate } from './validate.ts';

const schema = z.strictObject({
  ...commonFields,
  ...completionOnlyFields,
  prompt: z.unknown().optional(),
  /** 0 generates nothing: the prompt is echoed and scored. */
  max_tokens: z.int().min(0).nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(MAX_COMPLETION_LOGPROBS).nullish(),
});

/** A request, and how its answer is to be sent. */
export interface ParsedRequest {
  readonly request: TextRequest;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/**
 * Reads the body of `POST /v1/completions`.
 *
 * @param maxPromptTokens longest list of token ids that is looked at
 * @throws RequestError `invalid`
 */
export function parseCompletion(body: unknown, maxPromptTokens: number): ParsedRequest {
  const fields = validate(schema, requireShape(body, 'prompt'));
  const n = fields.n ?? 1;
  if (typeof fields.best_of === 'number' && fields.best_of !== n) {
    throw invalidField('best_of', 'best_of is not supported: equal to n, or absent');
  }
  const echo = fields.echo ?? false;
  if (fields.max_tokens === 0 && !echo) {
    throw invalidField('max_tokens', 'max_tokens: 0 generates nothing: at least 1, or echo: true beside it');
  }
  return {
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    request: {
      model: fields.model,
      prompts: promptsOf(fields.prompt, maxPromptTokens),
      n,
      echo,
      maxTokens: fields.max_tokens ?? undefined,
      defaultTokens: DEFAULT_COMPLETION_TOKENS,
      sampling: {
        ...samplingOf(fields),
        seed: fields.seed ?? undefined,
        logprobs: fields.logprobs ?? undefined,
      },
      stops: fields.stop,
    },
  };
}

/** A string, strings, token ids, or lists of those: by hand, since a list may have 500 thousand entries. */
function promptsOf(value: unknown, maxTokens: number): Prompt[] {
  if (value === undefined || value === null)
    throw invalidField('prompt', 'prompt is required', 'missing_field');
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value) || value.length === 0) throw invalidField('prompt', EXPECTED);
  const entries = value as unknown[];
  if (typeof entries[0] === 'number') return [tokensOf(entries, maxTokens)];
  if (entries.length > MAX_PROMPTS) {
    throw invalidField('prompt', `a request has at most ${MAX_PROMPTS} prompts, not ${entries.length}`);
  }
  return entries.map((entry) => {
    if (typeof entry === 'string') return entry;
    if (!Array.isArray(entry)) throw invalidField('prompt', EXPECTED);
    return tokensOf(entry as unknown[], maxTokens);
  });
}

const EXPECTED = 'prompt: expected a string, a list of strings, token ids, or a list of lists of token ids';

function tokensOf(ids: readonly unknown[], most: number): number[] {
  if (ids.length > most) {
    throw invalidField(
      'prompt',
      `this model's context is ${most} tokens, and the prompt has ${ids.length}`,
      'context_length_exceeded',
    );
  }
  for (const id of ids) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) throw invalidField('prompt', EXPECTED);
  }
  return ids as number[];
}
