import { pairedDifference } from '../estimate.ts';
import { accuracyOf, answersOf } from './accuracy.ts';
import type { Question } from './question.ts';

function question(texts: readonly string[], answer: number): Question {
  return { answer, choices: texts.map((text) => ({ context: '', continuation: text, text })) };
}

test('a choice counts by its log-likelihood, by that over its characters, and over its bytes; the first of equal ones wins', () => {
  const questions = [
    question(['no', 'not at all'], 1),
    question(['aaaa', '🌍🌍'], 1),
    question(['a', 'b'], 0),
  ];
  const scores = [
    [-2, -5],
    [-3, -2],
    [-1, -1],
  ];
  expect(answersOf(questions, scores)).toEqual({ acc: [0, 1, 1], accNorm: [1, 0, 1], accBytes: [1, 1, 1] });
});

test('the standard error is that of a mean of independent questions, and of a single one nothing is known', () => {
  const right = [1, 0, 0, 1, 1];
  const { acc } = accuracyOf({ acc: right, accNorm: right, accBytes: right });
  // Of a sample: p (1 - p) / (n - 1).
  expect(acc.value).toBeCloseTo(0.6, 12);
  expect(acc.standardError).toBeCloseTo(Math.sqrt((0.6 * 0.4) / 4), 12);
  expect(pairedDifference(right, [1, 0, 0, 1, 0])).toEqual({
    value: 0.2,
    standardError: expect.closeTo(0.2, 12),
  });
  expect(pairedDifference(right, right)).toEqual({ value: 0, standardError: 0 });
  expect(accuracyOf({ acc: [1], accNorm: [1], accBytes: [1] }).acc.standardError).toBeNaN();
});
