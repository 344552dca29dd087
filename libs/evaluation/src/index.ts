export { enginePerplexity, type EnginePerplexityOptions } from './engine-perplexity.ts';
export { pairedDifference, type Estimate } from './estimate.ts';
export {
  bitsPerByte,
  perplexity,
  type Perplexity,
  type PerplexityOptions,
  type PerplexityProgress,
} from './perplexity.ts';
export { accuracyOf, answersOf, type Accuracy, type Answers } from './tasks/accuracy.ts';
export {
  encodeQuestions,
  type EncodedChoice,
  type EncodeQuestionsOptions,
} from './tasks/encode-questions.ts';
export type { Choice, Question } from './tasks/question.ts';
export { readQuestions, type QuestionSet } from './tasks/read-questions.ts';
export { scoreQuestions, type QuestionScores, type ScoreQuestionsOptions } from './tasks/score-questions.ts';
export {
  evaluateGraphs,
  type EvaluateGraphsOptions,
  type GraphFigures,
  type GraphToMeasure,
} from './graphs/evaluate-graphs.ts';
export type { Hits, Nearness } from './graphs/graph-figures.ts';
