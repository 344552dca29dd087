/**
 * The process in which a subject is tried: the test sends seeds, one at a time, and gets what came of each. What ends this
 * process, or keeps it from answering, is a broken law of the seed that it had.
 */
import { inspect } from 'node:util';
import { randomOf } from './random.ts';
import { SUBJECTS, type SubjectName } from './subjects/index.ts';

/** What came of a seed. */
export interface Answer {
  readonly what: string;
  readonly outcome: string;
  /** The law that was broken. */
  readonly broken?: string;
  readonly peakMiB: number;
}

const [name, home] = process.argv.slice(2) as [name: SubjectName, home: string];
const subject = await (await SUBJECTS[name]()).open(home);

process.on('message', (seed: number) => {
  void attempt(seed).then((answer) => process.send!(answer));
});
process.once('disconnect', () => {
  void subject.close().then(() => process.exit(0));
});
process.send!('ready');

async function attempt(seed: number): Promise<Answer> {
  const ended = (answer: Omit<Answer, 'peakMiB'>) => ({
    ...answer,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  });
  try {
    return ended(await subject.try(randomOf(seed)));
  } catch (error) {
    return ended({ what: '', outcome: 'broken', broken: inspect(error, { depth: 4 }) });
  }
}
