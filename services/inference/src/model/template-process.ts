/** The script of the process that renders chat templates: see `chat-renderer.ts`. */
import { Template } from '@huggingface/jinja';
import { answerCalls } from '@esparse/isolation';
import type { RenderCall } from './chat-renderer.ts';

/** The last template, parsed: there is one as long as one model is served. */
let parsed: { readonly source: string; readonly template: Template } | undefined;

answerCalls(({ source, variables }: RenderCall): string => {
  if (parsed?.source !== source) parsed = { source, template: new Template(source) };
  return parsed.template.render(variables);
});
