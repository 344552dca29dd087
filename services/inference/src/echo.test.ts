import { openTokenizer } from '@esparse/checkpoint';
import { logSumExp, openEngine, type Engine } from '@esparse/engine';
import { EXAMPLE_MODEL } from './testing/example-store.ts';
import { events, serving, type Answer } from './testing/serving.ts';

const server = serving({ maxSequences: 8 });
const COMPLETIONS = '/v1/completions';
const TEXT = 'Once upon a time, there was a little girl named Lily. She loved to play';

let engine: Engine;
let ids: number[];
beforeAll(async () => {
  engine = await openEngine({ store: server.store, threads: 1, kvBytes: 16 << 20 });
  const tokenizer = await openTokenizer(EXAMPLE_MODEL);
  ids = [...(await tokenizer.encode(TEXT, { bos: tokenizer.addsBos }))];
  tokenizer.close();
});
afterAll(() => engine.close());

/** The definition: the log-probability of each token after those before it, and whether it is the most likely one. */
async function byDefinition(tokens: readonly number[]) {
  const sequence = engine.reserve(tokens.length)!;
  const found: { logprob: number; greedy: boolean }[] = [];
  for (const [i, token] of tokens.slice(0, -1).entries()) {
    const [logits] = await engine.step([{ sequence, tokens: Uint32Array.of(token), want: 'lastLogits' }]);
    const next = logits[tokens[i + 1]!]!;
    found.push({
      logprob: next - logSumExp(logits),
      greedy: next === logits.reduce((a, b) => Math.max(a, b)),
    });
  }
  sequence.release();
  return found;
}

/** What lm-evaluation-harness asks for the likelihood of the end of token sequences, word for word. */
const likelihoods = (prompt: unknown) => ({
  prompt,
  temperature: 0,
  max_tokens: 1,
  logprobs: 1,
  seed: 1234,
  echo: true,
});

/** What it makes of the answer: the sum over the scored tokens, the generated one left out, and whether all were the most likely. */
function parsed({ choices }: Answer, given: readonly number[]) {
  return [...choices]
    .sort((a, b) => a.index - b.index)
    .map(({ logprobs }, i) => {
      const scored = logprobs!.token_logprobs.slice(given[i], -1);
      const tops = logprobs!.top_logprobs.slice(given[i], -1);
      return {
        sum: scored.reduce((sum, one) => sum + one, 0),
        greedy: scored.every((one, at) => one === Math.max(...Object.values(tops[at]!))),
      };
    });
}

test('a prompt is echoed with its tokens, the first without a probability, and what is generated goes on from it', async () => {
  const options = { temperature: 0, logprobs: 2, max_tokens: 4 };
  const plain = await server.ask(COMPLETIONS, { ...options, prompt: TEXT });
  const echoed = await server.ask(COMPLETIONS, { ...options, prompt: TEXT, echo: true });
  const { text, logprobs } = echoed.choices[0]!;
  expect(text).toBe(TEXT + plain.choices[0]!.text);
  expect(echoed.usage).toEqual(plain.usage);
  const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs!;
  for (const list of [tokens, token_logprobs, top_logprobs, text_offset]) {
    expect(list).toHaveLength(ids.length + 4);
  }
  expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
  const after = plain.choices[0]!.logprobs!;
  expect(token_logprobs.slice(ids.length)).toEqual(after.token_logprobs);
  expect(text_offset.slice(ids.length)).toEqual(after.text_offset.map((offset) => offset + TEXT.length));
  text_offset.forEach((offset, i) => {
    const end = text_offset[i + 1] ?? text.length;
    // A token that the text does not show (BOS, the space before a text) has no characters of it.
    expect(tokens[i]!.endsWith(text.slice(offset, end))).toBe(true);
  });
  expect(token_logprobs.slice(1, ids.length)).toEqual(
    (await byDefinition(ids)).map(({ logprob }) => logprob),
  );
});

test('max_tokens: 0 gives the prompt alone, text or ids, scored or not', async () => {
  const asText = await server.ask(COMPLETIONS, { prompt: TEXT, max_tokens: 0, echo: true, logprobs: 0 });
  expect(asText.choices[0]).toMatchObject({ text: TEXT, finish_reason: 'length' });
  expect(asText.usage).toMatchObject({ prompt_tokens: ids.length, completion_tokens: 0 });
  const asIds = await server.ask(COMPLETIONS, { prompt: ids, max_tokens: 0, echo: true, logprobs: 0 });
  const { text, logprobs } = asIds.choices[0]!;
  expect(logprobs!.tokens.join('')).toBe(text);
  expect(logprobs!.token_logprobs).toEqual(asText.choices[0]!.logprobs!.token_logprobs);
  expect(logprobs!.token_logprobs).toHaveLength(ids.length);

  const unscored = await server.ask(COMPLETIONS, { prompt: [ids, [5]], max_tokens: 0, echo: true });
  expect(unscored.choices.map(({ text: shown, logprobs: none }) => [shown, none])).toEqual([
    [text, null],
    [expect.any(String), null],
  ]);
  const single = await server.ask(COMPLETIONS, { prompt: [5], max_tokens: 0, echo: true, logprobs: 1 });
  expect(single.choices[0]!.logprobs!.token_logprobs).toEqual([null]);
});

test('the requests of lm-evaluation-harness: probabilities are the model’s own, whatever else is in the batch and however long the prompt', async () => {
  // Longer than a step prefills, beside short ones, while texts are generated.
  const long = Array.from({ length: 300 }, (_, i) => 5 + ((i * 37) % 2000));
  const prompts = [ids, long, ids.slice(0, 2), [...ids.slice(0, 5), ...long.slice(0, 40)]];
  const given = [ids.length - 3, 290, 1, 5];
  const expected = await Promise.all(
    prompts.map(async (prompt, i) => {
      const scored = (await byDefinition(prompt)).slice(given[i]! - 1);
      return {
        sum: scored.reduce((sum, { logprob }) => sum + logprob, 0),
        greedy: scored.every(({ greedy }) => greedy),
      };
    }),
  );
  expect(new Set(expected.map(({ greedy }) => greedy)).size).toBeGreaterThan(0);
  const generating = server.ask(COMPLETIONS, { prompt: ['The', 'He'], max_tokens: 60, seed: 1 });
  expect(parsed(await server.ask(COMPLETIONS, likelihoods(prompts)), given)).toEqual(expected);
  await generating;
  for (const [i, prompt] of prompts.entries()) {
    const alone = await server.ask(COMPLETIONS, likelihoods([prompt]));
    expect(parsed(alone, [given[i]!])).toEqual([expected[i]]);
  }

  const until = {
    prompt: [ids],
    max_tokens: 16,
    temperature: 0,
    stop: ['.', '\n\n', '</s>', 'Q:', 'A:'],
    seed: 1234,
  };
  const { choices } = await server.ask(COMPLETIONS, until);
  expect(choices).toEqual([
    { index: 0, text: expect.any(String), logprobs: null, finish_reason: expect.any(String) },
  ]);
});

test('a token is the most likely one where its probability is the largest that is reported', async () => {
  const options = { temperature: 0, max_tokens: 6, logprobs: 1 };
  const { choices } = await server.ask(COMPLETIONS, { ...options, prompt: [ids], echo: true });
  const tokens = choices[0]!.logprobs!;
  const [generated] = parsed({ ...({} as Answer), choices: [{ ...choices[0]!, logprobs: tokens }] }, [
    ids.length,
  ]);
  expect(generated!.greedy).toBe(true);
});

test('an echo is streamed as it is answered whole', async () => {
  const body = { prompt: [ids, ids.slice(0, 4)], max_tokens: 5, temperature: 0, logprobs: 1, echo: true };
  const whole = await server.ask(COMPLETIONS, body);
  const response = await server.post(COMPLETIONS, { model: 'llama-2m', stream: true, ...body });
  const texts = ['', ''];
  const logprobs: number[][] = [[], []];
  for await (const data of events(response)) {
    if (data === '[DONE]') break;
    for (const choice of (JSON.parse(data) as Answer).choices) {
      texts[choice.index] = texts[choice.index]! + choice.text;
      logprobs[choice.index]!.push(...(choice.logprobs?.token_logprobs ?? []));
    }
  }
  expect(texts).toEqual(whole.choices.map(({ text }) => text));
  expect(logprobs).toEqual(whole.choices.map((choice) => choice.logprobs!.token_logprobs));
});

test('more log-probabilities than an answer may have are refused, echoed prompts counted', async () => {
  const prompt = new Array(32).fill(new Array(200).fill(5));
  const refused = await server.post(COMPLETIONS, { model: 'llama-2m', ...likelihoods(prompt), logprobs: 5 });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    error: { param: 'logprobs', message: expect.stringMatching(/38592 log-probabilities.*fewer prompts/) },
  });
});
