import { bytesOf } from '@esparse/checkpoint';
import {
  accuracyOf,
  pairedDifference,
  type Accuracy,
  type Answers,
  type Estimate,
} from '@esparse/evaluation';
import type { Figures, TaskFigures } from './figures.ts';
import type { EvalRequest } from './request.ts';

/** A model that was evaluated. */
export interface Evaluated {
  /** What it is called. */
  readonly name: string;
  /** See `ModelSource.identity`. */
  readonly identity: Readonly<Record<string, string>>;
  readonly figures: Figures;
}

/** What `--json` prints of a model. */
export function reportOf({ identity, figures }: Evaluated, request: EvalRequest) {
  const { text, tasks, engine } = figures;
  const seconds = [text, ...tasks].reduce((sum, one) => sum + (one?.seconds ?? 0), 0);
  return {
    ...(text !== undefined && {
      perplexity: text.perplexity,
      standardError: text.standardError,
      bitsPerByte: text.bitsPerByte,
      tokens: text.tokens,
      windows: text.windows,
      windowsOfText: Math.floor(text.ids.length / request.seqlen),
      seqlen: request.seqlen,
    }),
    bos: request.bos,
    ...identity,
    ...(request.text && { text: { file: request.text.file, sha256: request.text.sha256 } }),
    ...(tasks.length > 0 && { tasks: tasks.map(taskReport) }),
    engine,
    seconds,
  };
}

function taskReport({ set: { name, file, sha256, questions }, answers, cut, seconds }: TaskFigures) {
  return { name, file, sha256, questions: questions.length, cut, ...accuracyOf(answers), seconds };
}

/** How a model differs from another on the same texts and questions: see `pairedDifference`. */
export interface Difference {
  /** Nats a token; absent where their tokens are not the same. */
  readonly nllPerToken?: Estimate;
  /** By the name of the set. */
  readonly tasks: Readonly<Record<string, Accuracy>>;
}

export function differenceOf({ figures }: Evaluated, base: Evaluated): Difference {
  const [text, baseText] = [figures.text, base.figures.text];
  const isPaired =
    text !== undefined &&
    baseText !== undefined &&
    Buffer.compare(bytesOf(text.ids), bytesOf(baseText.ids)) === 0;
  return {
    ...(isPaired && { nllPerToken: pairedDifference(text.perToken, baseText.perToken) }),
    tasks: Object.fromEntries(
      figures.tasks.map(({ set, answers }, i) => [
        set.name,
        accuracyDifference(answers, base.figures.tasks[i]!.answers),
      ]),
    ),
  };
}

function accuracyDifference(one: Answers, other: Answers): Accuracy {
  return {
    acc: pairedDifference(one.acc, other.acc),
    accNorm: pairedDifference(one.accNorm, other.accNorm),
    accBytes: pairedDifference(one.accBytes, other.accBytes),
  };
}
