import type { BegunGeneration } from '../generate/service.ts';
import type { ServedModel } from '../model/served-model.ts';
import type { TextToken } from '../text/choice-text.ts';
import { answerHead, usageOf, type AnswerFormat, type SpelledToken } from './answers.ts';

/** The whole answer, once every text has ended. */
export async function wholeAnswer(
  { generation, model }: BegunGeneration,
  format: AnswerFormat,
  logprobs: boolean,
): Promise<object> {
  const choices: { text: string; tokens: TextToken[]; finish: string }[] = [];
  for await (const deltas of generation) {
    for (const { index, text, tokens, finish } of deltas) {
      const choice = (choices[index] ??= { text: '', tokens: [], finish: '' });
      choice.text += text;
      for (const token of tokens) choice.tokens.push(token);
      if (finish !== undefined) choice.finish = finish;
    }
  }
  return {
    ...answerHead(format.idPrefix, format.object, model),
    choices: choices.map(({ text, tokens, finish }, index) =>
      format.choice(index, text, logprobs ? format.logprobs(spelled(tokens, model)) : null, finish),
    ),
    usage: usageOf(generation),
  };
}

/** The answer in chunks, each a JSON value; what one step of the engine brought is yielded together. */
export async function* chunkedAnswer(
  { generation, model }: BegunGeneration,
  format: AnswerFormat,
  { logprobs, includeUsage, choices }: { logprobs: boolean; includeUsage: boolean; choices: number },
): AsyncGenerator<readonly object[], void, undefined> {
  const head = answerHead(format.idPrefix, format.chunkObject, model);
  const chunk = (choice: object) => ({ ...head, choices: [choice], ...(includeUsage && { usage: null }) });
  const { opening } = format;
  if (opening !== undefined) yield Array.from({ length: choices }, (_, index) => chunk(opening(index)));
  for await (const deltas of generation) {
    yield deltas.map(({ index, text, tokens, finish }) =>
      chunk(
        format.delta(
          index,
          text,
          logprobs && tokens.length > 0 ? format.logprobs(spelled(tokens, model)) : null,
          finish ?? null,
        ),
      ),
    );
  }
  if (includeUsage) yield [{ ...head, choices: [], usage: usageOf(generation) }];
}

function spelled(tokens: readonly TextToken[], { text: { tokenText } }: ServedModel): SpelledToken[] {
  return tokens.map(({ token, offset, logprob }) => ({
    bytes: tokenText.spelling(token),
    offset,
    logprob: logprob?.logprob ?? null,
    top: (logprob?.ids ?? []).map((id, i) => ({
      bytes: tokenText.spelling(id),
      logprob: logprob!.logprobs[i]!,
    })),
  }));
}
