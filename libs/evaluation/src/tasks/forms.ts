import { faultInWords } from '@esparse/errors';
import { z } from 'zod';
import type { Choice, Question } from './question.ts';

/** Choices of a question at most: sets have two to ten, and each one is a text to score. */
const MAX_CHOICES = 64;

/** A way to write a question as a line of JSON: how it is recognised, and how it becomes a `Question`. */
interface Form {
  /** For messages. */
  readonly name: string;
  /** The field that only lines of this form have. */
  readonly field: string;
  /** @throws Fault */
  read(line: unknown): Question;
}

/** What is wrong with a line. */
export class Fault extends Error {}

/** What lines a file of questions may have, for hints. */
export const FORMS_IN_WORDS =
  'each line is a JSON object with context, choices and answer, or a line of HellaSwag, ARC, PIQA or WinoGrande as published';

/** Brings a line to the one form. @throws Fault */
export function questionOf(line: Readonly<Record<string, unknown>>): Question {
  const form = FORMS.find(({ field }) => Object.hasOwn(line, field));
  if (form === undefined) throw new Fault('it is a question of no form that is known');
  const question = form.read(line);
  const empty = question.choices.findIndex(({ text, continuation }) => text === '' || continuation === '');
  if (empty >= 0) throw new Fault(`choice ${empty} has no text`);
  if (question.answer < question.choices.length) return question;
  throw new Fault(`the answer is choice ${question.answer} of ${question.choices.length}, counted from 0`);
}

function form<S extends z.ZodType>(
  name: string,
  field: string,
  schema: S,
  toQuestion: (line: z.infer<S>) => Question,
): Form {
  return {
    name,
    field,
    read(line) {
      const parsed = schema.safeParse(line, { error: faultInWords, reportInput: true });
      if (parsed.success) return toQuestion(parsed.data);
      const { path, message } = parsed.error.issues[0]!;
      throw new Fault(`read as ${name}: ${path.map(String).join('.')}: ${message}`);
    },
  };
}

const index = z.int().min(0);
/** An index, also as text; sets without answers have -1 or nothing. */
const label = z
  .union([z.number(), z.string()])
  .refine((value) => /^\d+$/.test(String(value)), {
    error: 'expected the index of the right choice: a set without answers cannot be scored',
  })
  .transform(Number);
const choices = z.array(z.string()).min(2).max(MAX_CHOICES);

/** The choices after the same context, with a text between. */
function after(context: string, texts: readonly string[], delimiter = ' '): Choice[] {
  return texts.map((text) => ({ context, continuation: `${delimiter}${text}`, text }));
}

/** What the set's own tasks in lm-evaluation-harness make of the fields. */
const FORMS: readonly Form[] = [
  form(
    'context, choices, answer',
    'context',
    z.object({ context: z.string(), choices, answer: index, delimiter: z.string().optional() }),
    ({ context, choices, answer, delimiter }) => ({ choices: after(context, choices, delimiter), answer }),
  ),
  form(
    'HellaSwag',
    'endings',
    z.object({ activity_label: z.string(), ctx_a: z.string(), ctx_b: z.string(), endings: choices, label }),
    ({ activity_label, ctx_a, ctx_b, endings, label }) => ({
      choices: after(
        withoutArtefacts(`${activity_label}: ${ctx_a} ${capitalized(ctx_b)}`),
        endings.map(withoutArtefacts),
      ),
      answer: label,
    }),
  ),
  form(
    'PIQA',
    'goal',
    z.object({ goal: z.string(), sol1: z.string(), sol2: z.string(), label }),
    ({ goal, sol1, sol2, label }) => ({
      choices: after(`Question: ${goal}\nAnswer:`, [sol1, sol2]),
      answer: label,
    }),
  ),
  form(
    'WinoGrande',
    'option1',
    z.object({
      sentence: z.string().includes('_', { error: 'expected a text with a gap, _' }),
      option1: z.string(),
      option2: z.string(),
      answer: z.enum(['1', '2']),
    }),
    ({ sentence, option1, option2, answer }) => {
      const gap = sentence.indexOf('_');
      const rest = sentence.slice(gap + 1).trim();
      return {
        // What differs is given, what follows is scored.
        choices: [option1, option2].map((option) => {
          const text = `${sentence.slice(0, gap)}${option}`;
          return { context: text, continuation: ` ${rest}`, text };
        }),
        answer: Number(answer) - 1,
      };
    },
  ),
  form(
    'ARC',
    'answerKey',
    z.object({
      question: z.string(),
      choices: z.object({ text: choices, label: z.array(z.string()) }),
      answerKey: z.string(),
    }),
    ({ question, choices: { text, label }, answerKey }) => {
      const answer = label.indexOf(answerKey);
      if (answer < 0) throw new Fault(`read as ARC: answerKey ${JSON.stringify(answerKey)} is no label`);
      return { choices: after(`Question: ${question}\nAnswer:`, text), answer };
    },
  ),
];

/** HellaSwag's texts come from WikiHow, with its marks. */
function withoutArtefacts(text: string): string {
  return text
    .trim()
    .replaceAll(' [title]', '. ')
    .replaceAll(/\[.*?\]/g, '')
    .replaceAll('  ', ' ');
}

/** The first letter large, all others small. */
function capitalized(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}
