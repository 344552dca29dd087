export { answerCalls } from './answer-calls.ts';
export { builtScript } from './built-script.ts';
export {
  isolateCalls,
  type CallOptions,
  type IsolatedCalls,
  type IsolationOptions,
  type Outcome,
} from './isolated-calls.ts';
