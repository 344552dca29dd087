import { Fault, questionOf } from './forms.ts';

test('each set’s own fields become what its task in lm-evaluation-harness makes of them', () => {
  expect(questionOf({ id: 7, context: 'One', choices: ['two', 'three'], answer: 0 })).toEqual({
    choices: [
      { context: 'One', continuation: ' two', text: 'two' },
      { context: 'One', continuation: ' three', text: 'three' },
    ],
    answer: 0,
  });
  expect(
    questionOf({ context: 'One\n', choices: ['two', 'three'], answer: 1, delimiter: '' }).choices[0],
  ).toEqual({ context: 'One\n', continuation: 'two', text: 'two' });
  expect(
    questionOf({
      ...{ ind: 4, split: 'val', ctx: 'not read', activity_label: 'Baking' },
      ...{ ctx_a: '[header] Mix [title] the  flour.', ctx_b: 'the Baker', label: '1' },
      endings: ['eats [step] it.', '[substeps] sleeps.'],
    }),
  ).toEqual({
    choices: ['eats  it.', ' sleeps.'].map((text) => {
      const written = text.replace('  ', ' ');
      return {
        context: 'Baking: Mix. the flour. The baker',
        continuation: ` ${written}`,
        text: written,
      };
    }),
    answer: 1,
  });
  expect(
    questionOf({
      ...{ id: 'M', question: 'Which?', answerKey: 'B' },
      choices: { text: ['this', 'that', 'none'], label: ['A', 'B', 'C'] },
    }),
  ).toEqual({
    choices: ['this', 'that', 'none'].map((text) => ({
      context: 'Question: Which?\nAnswer:',
      continuation: ` ${text}`,
      text,
    })),
    answer: 1,
  });
  expect(questionOf({ goal: 'Boil', sol1: 'Heat', sol2: 'Cool', label: 0 }).choices[1]).toEqual({
    context: 'Question: Boil\nAnswer:',
    continuation: ' Cool',
    text: 'Cool',
  });
  const sentence = 'Ann gave Eve a _ because she asked.';
  expect(questionOf({ sentence, option1: 'pen', option2: 'cup', answer: '2' })).toEqual({
    choices: ['pen', 'cup'].map((option) => ({
      context: `Ann gave Eve a ${option}`,
      continuation: ' because she asked.',
      text: `Ann gave Eve a ${option}`,
    })),
    answer: 1,
  });
});

test.each<[object, RegExp]>([
  [{ text: 'a' }, /no form that is known/],
  [{ context: 'a', choices: ['b'], answer: 0 }, /choices: /],
  [{ context: 'a', choices: ['b', 'c'], answer: 2 }, /choice 2 of 2/],
  [{ context: 'a', choices: ['b', 'c'], answer: 0.5 }, /answer: /],
  [{ context: 'a', choices: ['b', ''], answer: 0 }, /choice 1 has no text/],
  [{ context: 'a', choices: new Array(65).fill('b'), answer: 0 }, /choices: /],
  [{ goal: 'a', sol1: 'b', sol2: 'c', label: -1 }, /PIQA: label: .*without answers/],
  [{ sentence: 'no gap', option1: 'b', option2: 'c', answer: '1' }, /WinoGrande: sentence: .*gap/],
  [{ question: 'a', choices: { text: ['b', 'c'], label: ['A', 'B'] }, answerKey: 'C' }, /ARC: .*"C"/],
])('a line that is no question is refused with what is wrong: %j', (line, message) => {
  expect(() => questionOf(line as Record<string, unknown>)).toThrow(message);
  expect(() => questionOf(line as Record<string, unknown>)).toThrow(Fault);
});
