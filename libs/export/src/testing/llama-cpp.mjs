/**
 * node llama-cpp.mjs FILE TEXT...: what llama.cpp makes of a GGUF file, as JSON in the last line, behind what it logs itself.
 * See `llamaCpp`.
 */
import { createRequire } from 'node:module';

const { LlamaContext } = createRequire(import.meta.url)('@fugood/node-llama-linux-x64');
const [model, ...texts] = process.argv.slice(2);
const TOP = 16;
const GREEDY_TOKENS = 8;

// What a context has computed changes what it answers later, so there is one for each question. None is released, nor left to
// the garbage collector: this version of the binding crashes now and then where a context ends.
const contexts = [];
function newContext() {
  const context = new LlamaContext({
    ...{ model, n_ctx: 256, n_batch: 256, n_threads: 1, n_gpu_layers: 0 },
    ...{ cache_type_k: 'f32', cache_type_v: 'f32', flash_attn_type: 'off' },
  });
  contexts.push(context);
  return context;
}
const complete = (prompt, options) =>
  newContext().completion({ prompt, ignore_eos: true, ...options }, () => undefined);

/** The likeliest tokens come with one that is drawn, and this version leaves them out for some draws: then it draws again. */
async function draw(prompt, seed = 1) {
  if (seed > 20) throw new Error('no draw comes with the likeliest tokens');
  const drawn = await complete(prompt, {
    n_predict: 1,
    n_probs: TOP,
    seed,
    temperature: 1,
    top_k: 0,
    top_p: 1,
    min_p: 0,
  });
  return drawn.completion_probabilities[0]?.probs.length === TOP ? drawn : draw(prompt, seed + 1);
}

const found = [];
for (const text of texts) {
  const { tokens } = await newContext().tokenize(text, {});
  const next = await draw(text);
  // Temperature 0 does not mean the likeliest token here.
  const greedy = await complete(text, { n_predict: GREEDY_TOKENS, top_k: 1 });
  found.push({
    tokens: [...tokens],
    evaluated: next.tokens_evaluated - next.tokens_predicted,
    probabilities: next.completion_probabilities[0].probs.map(({ prob }) => prob),
    greedy: greedy.text,
  });
}
process.stdout.write(`\n${JSON.stringify(found)}\n`);
