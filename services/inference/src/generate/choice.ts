import { randomInt } from 'node:crypto';
import type { FinishReason, Job, JobEvent, SamplingParams } from '@esparse/engine';
import type { ServedModel } from '../model/served-model.ts';
import { ChoiceText, type TextToken } from '../text/choice-text.ts';

/** Texts to generate: `n` for each prompt. */
export interface GenerationInput {
  readonly prompts: readonly Uint32Array[];
  readonly n: number;
  readonly maxTokens: number;
  /** Of the first text of each prompt; the j-th further one has seed + j. */
  readonly sampling: SamplingParams;
  readonly stops: readonly string[];
}

/** Some more of one text. Those of the same prompt follow each other: index = prompt * n + j. */
export interface ChoiceDelta {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly TextToken[];
  readonly finish?: FinishReason | undefined;
}

/** An event of a job that goes well. */
export type ChoiceEvent = Exclude<JobEvent, { readonly error: string }>;

/** One text on its way: its job in the engine, and the text that its tokens make. */
export class Choice {
  readonly index: number;
  readonly job: Job;
  readonly #text: ChoiceText;

  constructor(index: number, job: Job, text: ChoiceText) {
    this.index = index;
    this.job = job;
    this.#text = text;
  }

  /** What an event adds to the text; `finish` is set where the text ends, by its job or by a stop string. */
  take({ token, logprob, finish }: ChoiceEvent): ChoiceDelta {
    const { index } = this;
    let text = '';
    let tokens: readonly TextToken[] = [];
    if (token !== undefined) {
      const piece = this.#text.push(token, logprob);
      ({ text, tokens } = piece);
      if (piece.stopped) return { index, text, tokens, finish: 'stop' };
    }
    if (finish === undefined) return { index, text, tokens };
    const rest = this.#text.end();
    return { index, text: text + rest.text, tokens: [...tokens, ...rest.tokens], finish };
  }
}

let nextJob = 0;

/** The choices of a request, each with a job of its own. */
export function choicesOf(input: GenerationInput, model: Pick<ServedModel, 'id' | 'text'>): Choice[] {
  const { prompts, n, maxTokens, sampling, stops } = input;
  const { tokenText, endTokens } = model.text;
  return prompts.flatMap((prompt, p) =>
    Array.from({ length: n }, (_, j) => {
      const job: Job = {
        id: nextJob++,
        model: model.id,
        prompt,
        maxTokens,
        endTokens,
        sampling: { ...sampling, seed: seedOf(sampling.seed, j) },
      };
      return new Choice(p * n + j, job, new ChoiceText(tokenText, stops));
    }),
  );
}

/** Seeds are 32 bits wide. */
function seedOf(seed: number | undefined, further: number): number {
  if (seed === undefined) return randomInt(2 ** 32);
  return (((seed + further) % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
