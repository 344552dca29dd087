/**
 * The script of the thread that renders chat templates. They come with the checkpoint, and a loop in one must not stop
 * the server: whoever started this thread ends it when it takes too long (see `chat-renderer.ts`).
 */
import { parentPort } from 'node:worker_threads';
import { Template } from '@huggingface/jinja';
import { messageOf } from '@esparse/errors';
import type { RenderAnswer, RenderCall } from './chat-renderer.ts';

/** The last template, parsed: there is one as long as one model is served. */
let parsed: { readonly source: string; readonly template: Template } | undefined;

parentPort?.on('message', ({ id, source, variables }: RenderCall) => {
  let answer: RenderAnswer;
  try {
    if (parsed?.source !== source) parsed = { source, template: new Template(source) };
    answer = { id, text: parsed.template.render(variables) };
  } catch (error) {
    answer = { id, error: messageOf(error) };
  }
  parentPort?.postMessage(answer);
});
