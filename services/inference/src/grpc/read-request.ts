import { invalidField } from '@esparse/errors';
import type { GenerateRequest__Output } from '@esparse/protocol';
import { readSampling } from '../api/sampling-fields.ts';
import type { TextRequest } from '../generate/service.ts';
import { DEFAULT_COMPLETION_TOKENS, MAX_CHAT_LOGPROBS, MAX_STOPS, MAX_STOP_CHARACTERS } from '../limits.ts';

/** Reads a `GenerateRequest`. @param model what is served, for a request that names nothing @throws RequestError `invalid` */
export function readGenerateRequest(request: GenerateRequest__Output, model: string): TextRequest {
  const { stop, logprobs, seed, maxTokens } = request;
  const numbers = readSampling(request);
  require(stop.length <= MAX_STOPS, 'stop', `at most ${MAX_STOPS} strings`);
  for (const text of stop) {
    const fits = text.length > 0 && text.length <= MAX_STOP_CHARACTERS;
    require(fits, 'stop', `strings of 1 to ${MAX_STOP_CHARACTERS} characters`);
  }
  require(logprobs === undefined ||
    logprobs <= MAX_CHAT_LOGPROBS, 'logprobs', `at most ${MAX_CHAT_LOGPROBS}`);
  return {
    model: request.model === '' ? model : request.model,
    prompts: [promptOf(request)],
    n: 1,
    echo: false,
    maxTokens: maxTokens === 0 ? undefined : maxTokens,
    defaultTokens: DEFAULT_COMPLETION_TOKENS,
    sampling: { ...numbers, seed, logprobs },
    stops: stop,
  };
}

function promptOf({ prompt, text, tokens }: GenerateRequest__Output): string | readonly number[] {
  if (prompt === 'text') return text ?? '';
  if (prompt === 'tokens') return tokens?.ids ?? [];
  throw invalidField('prompt', 'give text or tokens');
}

function require(condition: boolean, field: string, expected: string): void {
  if (!condition) throw invalidField(field, `${field}: expected ${expected}`);
}
