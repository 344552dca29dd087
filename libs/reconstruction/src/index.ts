export { gramStatistic } from './gram.ts';
export { quantize, quantizeOptions } from './quantize.ts';
export { reconstruct, reconstructOptions } from './reconstruct.ts';
export { createSpill, type Slab, type Spill, type SpillOptions } from './spill.ts';
export { sparseGptOptions, sparseGptStage } from './sparse-gpt-stage.ts';
export { type Hessian, type TapMatrix } from './tap-matrix.ts';
