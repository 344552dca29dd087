export { gramOf, gramStatistic, type GramState } from './gram.ts';
export { reconstruct, reconstructOptions } from './reconstruct.ts';
export { solveSurvivors, type SurvivorsOptions, type SurvivorsProblem } from './survivors.ts';
