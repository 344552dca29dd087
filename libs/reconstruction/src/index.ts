export { gramOf, gramStatistic, type GramState } from './gram.ts';
export { reconstruct, reconstructOptions } from './reconstruct.ts';
export { solveSurvivors, type SurvivorsOptions, type SurvivorsProblem } from './survivors.ts';
export {
  sparseGpt,
  type SparseGptSettings,
  type SparseGptProblem,
  type SparseGptSolution,
} from './sparse-gpt.ts';
export { sparseGptOptions, sparseGptStage } from './sparse-gpt-stage.ts';
