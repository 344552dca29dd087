import { invalidField } from '@esparse/errors';
import { z } from 'zod';
import type { ChatMessage } from '../model/chat-renderer.ts';
import { DEFAULT_CHAT_TOKENS, MAX_CHAT_LOGPROBS, MAX_MESSAGES } from '../limits.ts';
import type { ParsedRequest } from './completion-request.ts';
import { chatOnlyFields, commonFields, tokenCount } from './fields.ts';
import { samplingOf } from './sampling-fields.ts';
import { requireShape } from './shape.ts';
import { validate } from './validate.ts';

const textPart = z.strictObject({
  type: z.literal('text', 'only parts of text are supported'),
  text: z.string(),
});

const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'expected one of system, developer, user, assistant (tools are not supported)',
  }),
  content: z.union([z.string(), z.array(textPart)], { error: 'expected text, or a list of parts of text' }),
  name: z.string().nullish(),
  // What the official client sends back with an answer of the assistant.
  refusal: z.null().optional(),
  annotations: z.array(z.unknown()).max(0).optional(),
});

const schema = z.strictObject({
  ...commonFields,
  ...chatOnlyFields,
  messages: z.array(message).min(1, 'a chat has at least one message').max(MAX_MESSAGES),
  max_completion_tokens: tokenCount,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_CHAT_LOGPROBS).nullish(),
});

/** Reads the body of `POST /v1/chat/completions`. @throws RequestError `invalid` */
export function parseChat(body: unknown): ParsedRequest {
  const fields = validate(schema, requireShape(body));
  const { max_tokens, max_completion_tokens, top_logprobs } = fields;
  if (typeof max_tokens === 'number' && typeof max_completion_tokens === 'number') {
    throw invalidField('max_tokens', 'max_tokens and max_completion_tokens mean the same: give one');
  }
  if (typeof top_logprobs === 'number' && fields.logprobs !== true) {
    throw invalidField('top_logprobs', 'top_logprobs needs logprobs: true');
  }
  return {
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    request: {
      model: fields.model,
      prompts: { messages: fields.messages.map(toMessage) },
      n: fields.n ?? 1,
      echo: false,
      maxTokens: max_completion_tokens ?? max_tokens ?? undefined,
      defaultTokens: DEFAULT_CHAT_TOKENS,
      sampling: {
        ...samplingOf(fields),
        seed: fields.seed ?? undefined,
        logprobs: fields.logprobs === true ? (top_logprobs ?? 0) : undefined,
      },
      stops: fields.stop,
    },
  };
}

/** As templates know it: `developer` is OpenAI's newer word for `system`. */
function toMessage({ role, content, name }: z.infer<typeof message>): ChatMessage {
  return {
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map(({ text }) => text).join(''),
    ...(typeof name === 'string' && { name }),
  };
}
