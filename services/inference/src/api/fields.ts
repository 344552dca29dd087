import { z } from 'zod';
import { MAX_N, MAX_STOPS, MAX_STOP_CHARACTERS } from '../limits.ts';
import { samplingFields } from './sampling-fields.ts';

/** A field that is supported only as if it were absent; whatever else it says is refused by name. */
function only(allowed: z.ZodType, message: string) {
  return z
    .custom<unknown>((value) => value === undefined || value === null || allowed.safeParse(value).success, {
      message,
    })
    .optional();
}

const stopString = z
  .string()
  .min(1, 'a stop string is not empty')
  .max(MAX_STOP_CHARACTERS, `a stop string has at most ${MAX_STOP_CHARACTERS} characters`);

/** `stop`: a string, or a list of strings. */
const stop = z
  .union([stopString, z.array(stopString).max(MAX_STOPS)], {
    error: `expected a string, or up to ${MAX_STOPS}, each of 1 to ${MAX_STOP_CHARACTERS} characters`,
  })
  .nullish()
  .transform((value) =>
    value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value,
  );

/** Tokens to generate. Whether they fit is checked once the prompt is known. */
export const tokenCount = z.int().min(1).nullish();

/** What both ways to ask for text have in common. */
export const commonFields = {
  model: z.string(),
  max_tokens: tokenCount,
  seed: z.int().nullish(),
  stop,
  n: z.int().min(1).max(MAX_N).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),

  // Accepted and ignored: they change no text.
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  store: z.boolean().nullish(),
  service_tier: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),

  // Supported at their defaults only.
  logit_bias: only(z.strictObject({}), 'is not supported: empty or absent'),

  // After the refusals: a sampling option that the engine comes to have replaces the one of its name. `top_k` is not
  // OpenAI's.
  ...samplingFields,
} as const;

/** Fields of a chat that are supported at their defaults only. */
export const chatOnlyFields = {
  response_format: only(z.strictObject({ type: z.literal('text') }), 'only {"type":"text"} is supported'),
  tools: only(z.array(z.never()).length(0), 'tools are not supported: empty or absent'),
  tool_choice: only(z.literal('none'), 'tools are not supported: "none" or absent'),
  parallel_tool_calls: z.boolean().nullish(),
  functions: only(z.array(z.never()).length(0), 'functions are not supported: empty or absent'),
  function_call: only(z.literal('none'), 'functions are not supported: "none" or absent'),
  modalities: only(z.tuple([z.literal('text')]), 'only ["text"] is supported'),
  audio: only(z.never(), 'is not supported'),
  prediction: only(z.never(), 'is not supported'),
  reasoning_effort: only(z.literal('none'), 'is not supported: "none" or absent'),
  verbosity: only(z.literal('medium'), 'is not supported: "medium" or absent'),
  web_search_options: only(z.never(), 'is not supported'),
} as const;

/** Fields of a completion that are supported at their defaults only. */
export const completionOnlyFields = {
  suffix: only(z.literal(''), 'is not supported: empty or absent'),
  best_of: z.int().min(1).max(MAX_N).nullish(),
} as const;
