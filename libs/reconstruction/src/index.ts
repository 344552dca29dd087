export { gramOf, gramStatistic, type GramState } from './gram.ts';
export { reconstruct, type ReconstructNeeds, type ReconstructOptions } from './reconstruct.ts';
export { solveSurvivors, type SurvivorsOptions, type SurvivorsProblem } from './survivors.ts';
