import path from 'node:path';
import { REPOSITORY } from './repository.ts';

export interface ClozeQuestion {
  readonly context: string;
  readonly choices: readonly string[];
  readonly answer: number;
}

/** Questions of a text, as the example makes them. */
export async function clozeQuestions(text: string, count: number): Promise<ClozeQuestion[]> {
  const example = (await import(path.join(REPOSITORY, 'examples/tasks/cloze-questions.mjs'))) as {
    clozeQuestions: (text: string, count: number) => ClozeQuestion[];
  };
  return example.clozeQuestions(text, count);
}
