import { randomInt } from 'node:crypto';
import type { FinishReason, Job, JobEvent, SamplingParams } from '@esparse/engine';
import type { ServedModel } from '../model/served-model.ts';
import { ChoiceText, type TextToken } from '../text/choice-text.ts';
import { promptText, type PromptText } from '../text/prompt-text.ts';

/** Texts to generate: `n` for each prompt. */
export interface GenerationInput {
  readonly prompts: readonly Uint32Array[];
  /** The prompts as they were written, token ids excepted, where each text begins with its prompt. @default none does */
  readonly echoed?: readonly (string | undefined)[] | undefined;
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
  readonly #echo: PromptText | undefined;
  /** Tokens of the prompt that were given out with their probabilities. */
  #promptTokens = 0;
  #begun = false;

  constructor(index: number, job: Job, text: ChoiceText, echo?: PromptText) {
    this.index = index;
    this.job = job;
    this.#text = text;
    this.#echo = echo;
  }

  /** Characters of the prompt that the text begins with. */
  get echoedCharacters(): number {
    return this.#echo?.text.length ?? 0;
  }

  /** What an event adds to the text; `finish` is set where the text ends, by its job or by a stop string. */
  take(event: ChoiceEvent): ChoiceDelta {
    const delta = this.#generated(event);
    const before = this.#prompt(event.prompt);
    if (before === undefined) return delta;
    return { ...delta, text: before.text + delta.text, tokens: [...before.tokens, ...delta.tokens] };
  }

  /** What an event gives of an echoed prompt: all of its text at once, and its tokens as they are scored. */
  #prompt(scored: ChoiceEvent['prompt']): Pick<ChoiceDelta, 'text' | 'tokens'> | undefined {
    if (this.#echo === undefined || (this.#begun && scored === undefined)) return undefined;
    const { text, offsets } = this.#echo;
    const isFirst = !this.#begun;
    this.#begun = true;
    // Nothing stands before the first token.
    const logprobs = isFirst ? [undefined, ...(scored ?? [])] : scored!;
    const from = this.#promptTokens;
    this.#promptTokens += logprobs.length;
    const tokens = logprobs.map((logprob, i) => ({
      token: this.job.prompt[from + i]!,
      offset: offsets[from + i]!,
      logprob,
    }));
    return { text: isFirst ? text : '', tokens: this.job.scoresPrompt === true ? tokens : [] };
  }

  #generated({ token, logprob, finish }: ChoiceEvent): ChoiceDelta {
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
  const { prompts, echoed, n, maxTokens, sampling, stops } = input;
  const { tokenText, endTokens } = model.text;
  return prompts.flatMap((prompt, p) => {
    const echo = echoed && promptText(prompt, echoed[p], tokenText);
    return Array.from({ length: n }, (_, j) => {
      const job: Job = {
        id: nextJob++,
        model: model.id,
        prompt,
        maxTokens,
        scoresPrompt: echo !== undefined && sampling.logprobs !== undefined,
        endTokens,
        sampling: { ...sampling, seed: seedOf(sampling.seed, j) },
      };
      return new Choice(p * n + j, job, new ChoiceText(tokenText, stops, echo?.text.length), echo);
    });
  });
}

/** Seeds are 32 bits wide. */
function seedOf(seed: number | undefined, further: number): number {
  if (seed === undefined) return randomInt(2 ** 32);
  return (((seed + further) % 2 ** 32) + 2 ** 32) % 2 ** 32;
}
