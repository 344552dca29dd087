export { eSparseReconstructPipeline } from './e-sparse-reconstruct.ts';
export { eSparsePipeline } from './e-sparse.ts';
export { magnitudePipeline } from './magnitude.ts';
export { PIPELINES, pipelineNamed } from './installed.ts';
export { riaLsaPipeline } from './ria-lsa.ts';
export { riaPipeline } from './ria.ts';
export { sparseGptPipeline } from './sparsegpt.ts';
export { wandaLsaPipeline } from './wanda-lsa.ts';
export { wandaPipeline } from './wanda.ts';
