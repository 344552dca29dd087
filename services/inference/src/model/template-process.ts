/**
 * The script of the process that renders chat templates. They come with the checkpoint, and neither a loop in one nor
 * the memory that it takes may stop the server: a thread that runs out of memory can take its whole process with it.
 * See `chat-renderer.ts`.
 */
import { createContext, Script } from 'node:vm';
import { Template } from '@huggingface/jinja';
import { messageOf } from '@esparse/errors';
import type { RenderAnswer, RenderCall } from './chat-renderer.ts';

/** The last template, parsed: there is one as long as one model is served. */
let parsed: { readonly source: string; readonly template: Template } | undefined;

/** Runs a function with a limit of time, which only a script has. */
const script = new Script('work()');

function render({ source, variables }: RenderCall): string {
  if (parsed?.source !== source) parsed = { source, template: new Template(source) };
  return parsed.template.render(variables);
}

process.on('message', (call: RenderCall) => {
  let answer: RenderAnswer;
  try {
    const context = createContext({ work: () => render(call) });
    answer = { id: call.id, text: script.runInContext(context, { timeout: call.timeoutMs }) as string };
  } catch (error) {
    const late =
      typeof error === 'object' &&
      error !== null &&
      'code' in error &&
      error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    answer = { id: call.id, error: late ? `takes longer than ${call.timeoutMs / 1000} s` : messageOf(error) };
  }
  process.send?.(answer);
});
