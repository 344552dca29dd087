import { RequestError } from '@esparse/errors';
import { builtScript, isolateCalls } from '@esparse/isolation';
import {
  MAX_PROMPT_CHARACTERS,
  TEMPLATE_HEAP_MIB,
  TEMPLATE_PROCESS_MIB,
  TEMPLATE_TIMEOUT_MS,
} from '../limits.ts';
import type { ChatTemplate } from './chat-template.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string | undefined;
}

/** What is asked of the process that renders. */
export interface RenderCall {
  readonly source: string;
  readonly variables: Record<string, unknown>;
}

/** Writes chats as prompts. */
export interface ChatRenderer {
  /** @throws RequestError `invalid` where the template refuses the messages, takes too long, or writes too much */
  render(template: ChatTemplate, messages: readonly ChatMessage[], signal?: AbortSignal): Promise<string>;
  close(): void;
}

const MIB = 2 ** 20;

/**
 * Renders in a process of its own, one chat after another: a template comes with the checkpoint, and neither a loop in
 * it nor the memory that it takes may stop the server.
 */
export function createChatRenderer(timeMs = TEMPLATE_TIMEOUT_MS): ChatRenderer {
  const renderings = isolateCalls<RenderCall, string>({
    script: builtScript(import.meta.url, 'template-process'),
    memoryBytes: TEMPLATE_PROCESS_MIB * MIB,
    heapBytes: TEMPLATE_HEAP_MIB * MIB,
  });
  return {
    async render({ source, specialTokens }, messages, signal) {
      const variables = { ...specialTokens, messages, add_generation_prompt: true };
      const outcome = await renderings.call({ source, variables }, { timeMs, signal });
      if ('refusal' in outcome) throw refused(outcome.refusal);
      if (outcome.answer.length > MAX_PROMPT_CHARACTERS) {
        throw refused(`writes more than ${MAX_PROMPT_CHARACTERS} characters`);
      }
      return outcome.answer;
    },
    close: renderings.close,
  };
}

function refused(why: string): RequestError {
  return new RequestError('invalid', `the chat template: ${why.slice(0, 500)}`, {
    param: 'messages',
  });
}
