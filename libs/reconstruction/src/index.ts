export { gramStatistic } from './gram.ts';
export { reconstruct, reconstructOptions } from './reconstruct.ts';
export { createSpill, type Slab, type Spill, type SpillOptions } from './spill.ts';
export { solveSurvivors, type SurvivorsOptions, type SurvivorsProblem } from './survivors.ts';
export {
  sparseGpt,
  type SparseGptSettings,
  type SparseGptProblem,
  type SparseGptSolution,
} from './sparse-gpt.ts';
export { sparseGptOptions, sparseGptStage } from './sparse-gpt-stage.ts';
export { denseMatrix, type Hessian, type TapMatrix } from './tap-matrix.ts';
