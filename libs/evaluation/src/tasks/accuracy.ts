import { mean, standardError, type Estimate } from '../estimate.ts';
import type { Question } from './question.ts';

/** How many questions of a set a model answers rightly, by three ways to compare choices. */
export interface Accuracy {
  /** By the log-likelihood of the choice. */
  readonly acc: Estimate;
  /** By the same, divided by the characters (code points) of the choice as written: `acc_norm` of lm-evaluation-harness. */
  readonly accNorm: Estimate;
  /** By the same, divided by its bytes in UTF-8: `acc_bytes` of lm-evaluation-harness. */
  readonly accBytes: Estimate;
}

/** For each question whether it is answered rightly: 1 or 0. */
export type Answers = Readonly<Record<keyof Accuracy, readonly number[]>>;

/** What a choice's score is divided by. */
const LENGTH: Readonly<Record<keyof Accuracy, (text: string) => number>> = {
  acc: () => 1,
  accNorm: (text) => Array.from(text).length,
  accBytes: (text) => Buffer.byteLength(text),
};

/** @param scores log-likelihoods (nats) of the choices of each question */
export function answersOf(questions: readonly Question[], scores: readonly (readonly number[])[]): Answers {
  const by = (length: (text: string) => number) =>
    questions.map(({ choices, answer }, i) => {
      const divided = scores[i]!.map((score, choice) => score / length(choices[choice]!.text));
      // The first of equal ones.
      return divided.indexOf(Math.max(...divided)) === answer ? 1 : 0;
    });
  return { acc: by(LENGTH.acc), accNorm: by(LENGTH.accNorm), accBytes: by(LENGTH.accBytes) };
}

export function accuracyOf({ acc, accNorm, accBytes }: Answers): Accuracy {
  const estimate = (right: readonly number[]) => ({
    value: mean(right),
    standardError: standardError(right),
  });
  return { acc: estimate(acc), accNorm: estimate(accNorm), accBytes: estimate(accBytes) };
}
