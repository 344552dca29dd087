import { readFile, writeFile } from 'node:fs/promises';
import { clozeQuestions } from '../support/cloze-questions.ts';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { pruneExample } from '../support/serve.ts';

interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

interface Report {
  readonly perplexity: number;
  readonly standardError: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly windows: number;
  readonly seqlen: number;
  readonly run?: string;
  readonly tasks: readonly { name: string; questions: number; acc: Estimate; accNorm: Estimate }[];
  readonly difference: { nllPerToken: Estimate; tasks: Record<string, { acc: Estimate }> };
}

const QUESTIONS = 60;
const at = scratchFolder();

beforeAll(async () => {
  await pruneExample(at('store'));
  const text = await readFile(EXAMPLE_EVALUATION, 'utf8');
  const lines = (await clozeQuestions(text, QUESTIONS)).map((question) => JSON.stringify(question));
  await writeFile(at('cloze.jsonl'), `${lines.join('\n')}\n`);
  await writeFile(
    at('piqa.jsonl'),
    '{"goal":"To sleep, you","sol1":"go to bed.","sol2":"of the and bed.","label":0}\n',
  );
  await writeFile(at('text.txt'), text.slice(0, 6000));
});

test('a checkpoint and its store stand side by side: perplexity, questions, and how they differ, each as by itself', async () => {
  const what = ['--tasks', at('cloze.jsonl'), at('piqa.jsonl'), '--text', at('text.txt'), '--seqlen', '64'];
  const compared = await esparseJson('eval', '--model', EXAMPLE_MODEL, '--compare', at('store'), ...what);
  const [dense, sparse] = compared.models as [Report, Report];

  expect(dense.tasks.map(({ name, questions }) => [name, questions])).toEqual([
    ['cloze', QUESTIONS],
    ['piqa', 1],
  ]);
  // Four choices: chance is a quarter.
  expect(dense.tasks[0]!.acc.value).toBeGreaterThan(0.6);
  const { acc } = dense.tasks[0]!;
  expect(acc.standardError).toBeCloseTo(Math.sqrt((acc.value * (1 - acc.value)) / (QUESTIONS - 1)), 12);
  // Of a single question nothing is known.
  expect(dense.tasks[1]!.acc.standardError).toBeNull();

  // The pruned model finds the text less likely, by a difference that its own error does not explain.
  const { nllPerToken, tasks } = sparse.difference;
  expect(Math.log(sparse.perplexity / dense.perplexity)).toBeCloseTo(nllPerToken.value, 9);
  expect(nllPerToken.value).toBeGreaterThan(4 * nllPerToken.standardError);
  expect(sparse.bitsPerByte / dense.bitsPerByte).toBeCloseTo(
    Math.log(sparse.perplexity) / Math.log(dense.perplexity),
    9,
  );
  expect(tasks.cloze!.acc.value).toBeCloseTo(sparse.tasks[0]!.acc.value - acc.value, 12);

  const alone = (await esparseJson('eval', '--store', at('store'), ...what)) as unknown as Report;
  const withoutTimes = ({ difference: _, ...report }: Report): unknown =>
    JSON.parse(JSON.stringify(report, (name, value: unknown) => (name === 'seconds' ? undefined : value)));
  expect(withoutTimes(alone)).toEqual(withoutTimes(sparse));
});

test('what is printed names the window, the errors and the sets; without anything to evaluate on it is refused', async () => {
  const printed = await esparse(
    ...['eval', '--model', EXAMPLE_MODEL, '--compare', EXAMPLE_MODEL],
    ...['--tasks', at('cloze.jsonl'), '--text', at('text.txt'), '--seqlen', '64'],
  );
  expect(printed.code).toBe(0);
  expect(printed.stdout).toMatch(/seqlen 64 .*llama-2m .*difference/);
  expect(printed.stdout).toMatch(/perplexity +\d+\.\d{3} ± \d\.\d{3} .*\+0\.000/);
  expect(printed.stdout).toMatch(/bits per byte +\d\.\d{4}/);
  expect(printed.stdout).toMatch(/cloze \(60\) acc_norm +0\.\d{4} ± 0\.\d{4} .*\+0\.0000 ± 0\.0000/);

  expect(await esparse('eval', '--model', EXAMPLE_MODEL)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/nothing to evaluate on.*\n.*--text.*--tasks/),
  });
});
