import { execFile, execFileSync } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { clozeQuestions } from '../support/cloze-questions.ts';
import { esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { pythonWith } from '../support/python.ts';
import { EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { serve, type ServeProcess } from '../support/serve.ts';

/** The harness itself, its client for servers, and what that makes tokens with. */
const PYTHON = pythonWith(
  ['lm_eval', 'transformers', 'datasets', 'aiohttp', 'tenacity'],
  'lm_eval[api]==0.4.13 transformers==5.24.0',
  'ESPARSE_TEST_LM_EVAL',
);
const withPython = PYTHON === undefined ? test.skip : test;
const at = scratchFolder();

/** Lines of each set as it is published, and the task of the harness that reads them. */
const SETS: Readonly<Record<string, readonly [task: string, lines: readonly object[]]>> = {
  hellaswag: [
    'hellaswag/hellaswag.yaml',
    [
      [
        'Once upon a time [header] there was',
        'a Little girl. she',
        ['loved to play.', '[step] of it of', 'a the dog.', 'no.'],
      ],
      [
        'Tim was [title] happy',
        'he WENT to',
        ['the  park with his mom.', 'blue and.', 'was was was.', 'Tim.'],
      ],
      ['The sun', 'it', ['was hot.', 'shone on the old man and his very small red boat.', 'is', 'cold!']],
    ].map(([ctx_a, ctx_b, endings], i) => ({
      ...{ ind: i, activity_label: 'Playing', ctx_a, ctx_b, endings, label: String(i % 2) },
    })),
  ],
  arc: [
    'arc/arc_easy.yaml',
    ['Where do fish live?', 'What do we do at night?', 'Who is small?'].map((question, i) => ({
      ...{ id: String(i), question, answerKey: ['1', 'B', 'C'][i] },
      choices: {
        text: ['in the water', 'sleep in the bed', 'the little mouse', 'up'].slice(i % 2),
        label: i === 0 ? ['1', '2', '3', '4'] : ['A', 'B', 'C', 'D'].slice(i % 2),
      },
    })),
  ],
  piqa: [
    'piqa/piqa.yaml',
    ['To keep warm', 'To open the door', 'To see in the dark'].map((goal, i) => ({
      ...{
        goal,
        sol1: 'put on a coat, a hat and a scarf.',
        sol2: 'turn the key — or ask Zoë.',
        label: i % 2,
      },
    })),
  ],
  winogrande: [
    'winogrande/default.yaml',
    ['The ball hit the window because _ was made of glass.', 'Lily gave Tom a cake and _ was happy.'].map(
      (sentence, i) => ({ sentence, option1: 'the ball', option2: 'the window', answer: String(i + 1) }),
    ),
  ],
};

let server: ServeProcess | undefined;
beforeAll(async () => {
  if (PYTHON === undefined) return;
  server = await serve('--model', EXAMPLE_MODEL);
});
afterAll(async () => {
  await server?.stop();
});

/** Runs the harness on tasks of a folder, against the server, without network; its results by task. */
async function harness(
  folder: string,
  tasks: readonly string[],
): Promise<Record<string, Record<string, number>>> {
  const model = `model=llama-2m,base_url=${server!.url}/v1/completions,tokenizer=${EXAMPLE_MODEL},tokenizer_backend=huggingface,max_length=512`;
  const env = { ...process.env, HF_HUB_OFFLINE: '1', HF_DATASETS_OFFLINE: '1', HF_HOME: at('hf') };
  await promisify(execFile)(
    PYTHON!,
    [
      ...['-m', 'lm_eval', 'run', '--model', 'local-completions', '--model_args', model, '--batch_size', '8'],
      ...['--include_path', folder, '--tasks', ...tasks, '--output_path', at('out')],
    ],
    { env, cwd: at(), maxBuffer: 64 << 20 },
  );
  const files = (await readdir(at('out'), { recursive: true })).filter((file) => file.endsWith('.json'));
  const { results } = JSON.parse(await readFile(at('out', files[0]!), 'utf8')) as {
    results: Record<string, Record<string, number>>;
  };
  return results;
}

withPython(
  'lm-evaluation-harness finds through the server what esparse eval finds, on our lines and on those of each set by its own task',
  async () => {
    const cloze = await clozeQuestions(await readFile(EXAMPLE_EVALUATION, 'utf8'), 60);
    const lines = {
      cloze,
      ...Object.fromEntries(Object.entries(SETS).map(([name, [, own]]) => [name, own])),
    };
    for (const [name, own] of Object.entries(lines)) {
      await writeFile(at(`${name}.jsonl`), own.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    const data = (name: string) =>
      `dataset_path: json\ndataset_kwargs: {data_files: {validation: ${at(`${name}.jsonl`)}}}\n`;
    const own = `${data('cloze')}validation_split: validation\ndoc_to_text: "{{context}}"\n`;
    const metrics = 'metric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_bytes}]\n';
    await writeFile(
      at('cloze.yaml'),
      `task: own_cloze\noutput_type: multiple_choice\n${own}doc_to_choice: choices\ndoc_to_target: answer\n${metrics}`,
    );
    await writeFile(
      at('rolling.yaml'),
      `task: own_rolling\noutput_type: loglikelihood_rolling\n${own}metric_list: [{metric: bits_per_byte}]\n`.replace(
        'doc_to_text: "{{context}}"',
        'doc_to_text: ""\ndoc_to_target: "{{context}}"',
      ),
    );
    await writeFile(
      at('words.yaml'),
      `task: own_words\noutput_type: generate_until\n${own}doc_to_target: "{{choices[answer]}}"\n` +
        'generation_kwargs: {until: ["\\n", ".", "!", "?", ","], max_gen_toks: 8}\nmetric_list: [{metric: exact_match}]\n',
    );
    const home = path.dirname(
      execFileSync(PYTHON!, ['-c', 'import lm_eval; print(lm_eval.__file__)'], { encoding: 'utf8' }).trim(),
    );
    for (const [name, [task]] of Object.entries(SETS)) {
      await writeFile(
        at(`${name}.yaml`),
        `include: ${path.join(home, 'tasks', task)}\ntag: null\ntask: own_${name}\ndataset_name: null\n${data(name)}` +
          `training_split: null\nvalidation_split: validation\ntest_split: null\n${metrics}`,
      );
    }

    const tasks = ['cloze', 'rolling', 'words', ...Object.keys(SETS)].map((name) => `own_${name}`);
    const results = await harness(at(), tasks);
    const files = Object.keys(lines).map((name) => at(`${name}.jsonl`));
    const { tasks: found } = (await esparseJson('eval', '--model', EXAMPLE_MODEL, '--tasks', ...files)) as {
      tasks: { name: string; questions: number; acc: Estimate; accNorm: Estimate; accBytes: Estimate }[];
    };
    for (const { name, acc, accNorm, accBytes } of found) {
      const theirs = results[`own_${name}`]!;
      expect([name, acc.value, acc.standardError]).toEqual([
        name,
        expect.closeTo(theirs['acc,none']!, 12),
        expect.closeTo(theirs['acc_stderr,none']!, 12),
      ]);
      // Its WinoGrande divides one and the same continuation by the lengths of the contexts, and reports acc alone.
      if (name === 'winogrande') continue;
      expect([name, accNorm.value, accBytes.value]).toEqual([
        name,
        expect.closeTo(theirs['acc_norm,none']!, 12),
        expect.closeTo(theirs['acc_bytes,none']!, 12),
      ]);
    }
    expect(found[0]!.acc.value).toBeGreaterThan(0.6);
    // A model of short stories, on short stories.
    expect(results.own_rolling!['bits_per_byte,none']).toBeGreaterThan(0.5);
    expect(results.own_rolling!['bits_per_byte,none']).toBeLessThan(1.5);
    expect(results.own_words!['exact_match,none']).toBeGreaterThanOrEqual(0);
  },
);

interface Estimate {
  readonly value: number;
  readonly standardError: number;
}
