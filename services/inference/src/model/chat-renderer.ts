import { fork, type ChildProcess } from 'node:child_process';
import { RequestError } from '@esparse/errors';
import { builtScript } from '../built-script.ts';
import { MAX_PROMPT_CHARACTERS, TEMPLATE_HEAP_MIB, TEMPLATE_TIMEOUT_MS } from '../limits.ts';
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
  readonly timeoutMs: number;
}

export type RenderAnswer =
  { readonly id: number; readonly text: string } | { readonly id: number; readonly error: string };

/** Writes chats as prompts. */
export interface ChatRenderer {
  /** @throws RequestError `invalid` where the template refuses the messages, takes too long, or writes too much */
  render(template: ChatTemplate, messages: readonly ChatMessage[]): Promise<string>;
  close(): void;
}

interface Waiting {
  readonly call: RenderCall;
  resolve(text: string): void;
  reject(error: Error): void;
}

/** Time to start the process and to answer, beyond that of one rendering. */
const GRACE_MS = 3_000;

/**
 * Renders in a process of its own, started by the first chat, one chat after another. A rendering that takes too long is
 * answered with an error; one that takes too much memory ends the process, and those behind it begin again in a new one.
 */
export function createChatRenderer(timeoutMs = TEMPLATE_TIMEOUT_MS): ChatRenderer {
  /** In the order in which the process takes them. */
  const calls = new Map<number, Waiting>();
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let next = 0;
  let closed = false;

  const refuse = (message: string) =>
    new RequestError('invalid', `the model's chat template: ${message}`, { param: 'messages' });

  const onAnswer = (answer: RenderAnswer) => {
    const found = calls.get(answer.id);
    calls.delete(answer.id);
    watch();
    if (found === undefined) return;
    if ('error' in answer) found.reject(refuse(answer.error.slice(0, 500)));
    else if (answer.text.length > MAX_PROMPT_CHARACTERS) {
      found.reject(refuse(`writes more than ${MAX_PROMPT_CHARACTERS} characters`));
    } else found.resolve(answer.text);
  };

  /** The process has ended because of the call that it was working on, the oldest; a new one takes the rest. */
  const onExit = () => {
    child = undefined;
    const [oldest] = calls.values();
    if (oldest === undefined) return;
    calls.delete(oldest.call.id);
    oldest.reject(refuse('needs too much time or memory'));
    if (closed) {
      for (const { reject } of calls.values())
        reject(new RequestError('unavailable', 'the server is stopping'));
      calls.clear();
    }
    for (const { call } of calls.values()) send(call);
    watch();
  };

  /** The process limits each rendering itself; where it does not answer at all it is ended. */
  const watch = () => {
    clearTimeout(timer);
    if (calls.size > 0) timer = setTimeout(() => child?.kill('SIGKILL'), timeoutMs + GRACE_MS);
  };

  const start = (): ChildProcess => {
    const started = fork(builtScript('model/template-process'), {
      execArgv: [`--max-old-space-size=${TEMPLATE_HEAP_MIB}`],
      // Nothing of the server's environment or output concerns a template.
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    started.on('message', onAnswer);
    started.once('exit', onExit).once('error', onExit);
    started.unref();
    started.channel?.unref();
    return started;
  };

  const send = (call: RenderCall) => {
    child ??= start();
    // Where it cannot be sent the process is ending, and `onExit` sends it again.
    child.send(call, () => undefined);
  };

  return {
    render(template, messages) {
      const variables = { ...template.specialTokens, messages, add_generation_prompt: true };
      const call: RenderCall = { id: next++, source: template.source, variables, timeoutMs };
      return new Promise((resolve, reject) => {
        calls.set(call.id, { call, resolve, reject });
        send(call);
        if (calls.size === 1) watch();
      });
    },
    close() {
      closed = true;
      clearTimeout(timer);
      child?.kill('SIGKILL');
    },
  };
}
