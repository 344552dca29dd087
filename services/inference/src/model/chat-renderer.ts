import { Worker } from 'node:worker_threads';
import { ApiError } from '../api/api-error.ts';
import { MAX_PROMPT_CHARACTERS, TEMPLATE_HEAP_MIB, TEMPLATE_TIMEOUT_MS } from '../limits.ts';
import { threadScript } from '../thread-script.ts';
import type { ChatTemplate } from './chat-template.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string | undefined;
}

export interface RenderCall {
  readonly id: number;
  readonly source: string;
  readonly variables: Record<string, unknown>;
}

export type RenderAnswer =
  { readonly id: number; readonly text: string } | { readonly id: number; readonly error: string };

/** Writes chats as prompts. */
export interface ChatRenderer {
  /** @throws ApiError 400 where the template refuses the messages, takes too long, or writes too much */
  render(template: ChatTemplate, messages: readonly ChatMessage[]): Promise<string>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(text: string): void;
  reject(error: Error): void;
}

/**
 * Renders on a thread of its own, one chat after another. A rendering that exceeds its time or memory ends the thread
 * and is answered with an error; those behind it begin again on a new one.
 */
export function createChatRenderer(timeoutMs = TEMPLATE_TIMEOUT_MS): ChatRenderer {
  const calls = new Map<number, { readonly call: RenderCall; readonly waiting: Waiting }>();
  let thread: Worker | undefined;
  let timer: NodeJS.Timeout | undefined;
  let next = 0;

  const refuse = (message: string) =>
    new ApiError(400, `the model's chat template: ${message}`, { param: 'messages' });

  /** Ends the call that the thread is at, the oldest, and starts another thread for the rest. */
  const restart = (message: string) => {
    void thread?.terminate();
    thread = undefined;
    clearTimeout(timer);
    const [oldest] = calls.values();
    if (oldest === undefined) return;
    calls.delete(oldest.call.id);
    oldest.waiting.reject(refuse(message));
    for (const { call } of calls.values()) send(call);
    watch();
  };

  const watch = () => {
    clearTimeout(timer);
    if (calls.size === 0) return;
    timer = setTimeout(() => {
      restart(`takes longer than ${timeoutMs / 1000} s`);
    }, timeoutMs);
  };

  const start = (): Worker => {
    const worker = new Worker(threadScript('model/template-thread'), {
      resourceLimits: { maxOldGenerationSizeMb: TEMPLATE_HEAP_MIB },
    });
    worker.unref();
    worker.on('message', (answer: RenderAnswer) => {
      const found = calls.get(answer.id);
      calls.delete(answer.id);
      watch();
      if (found === undefined) return;
      if ('error' in answer) found.waiting.reject(refuse(answer.error.slice(0, 500)));
      else if (answer.text.length > MAX_PROMPT_CHARACTERS) {
        found.waiting.reject(refuse(`writes more than ${MAX_PROMPT_CHARACTERS} characters`));
      } else found.waiting.resolve(answer.text);
    });
    worker.on('error', () => {
      if (worker === thread) restart('needs too much memory');
    });
    return worker;
  };

  const send = (call: RenderCall) => {
    thread ??= start();
    thread.postMessage(call);
    if (calls.size === 1) watch();
  };

  return {
    render(template, messages) {
      const id = next++;
      const variables = { ...template.specialTokens, messages, add_generation_prompt: true };
      const call: RenderCall = { id, source: template.source, variables };
      return new Promise((resolve, reject) => {
        calls.set(id, { call, waiting: { resolve, reject } });
        send(call);
      });
    },
    async close() {
      clearTimeout(timer);
      await thread?.terminate();
    },
  };
}
