export { readCheckpointLayout, writeCheckpointLayout, type CheckpointLayout } from './checkpoint-layout.ts';
export { storedDtype, writeChanged, writeDense } from './dense.ts';
export { integersFit, writeQuantizedDense } from './quantized-dense.ts';
export {
  inspectBlock,
  inspectBlocks,
  relativeGain,
  totalsOf,
  type BlockInspection,
  type LinearInspection,
  type LinearTotals,
  type StageInspection,
  type StarvedExpert,
} from './inspect.ts';
export {
  freeLinear,
  linearAttributesOf,
  linearBytes,
  readLinear,
  writeLinear,
  type LinearAttributes,
  type StoredLinear,
} from './linears.ts';
export { CALIBRATION_PATH, densePath, meanScorePath, statisticPath, tapFigurePath } from './paths.ts';
export { requireFinished } from './require-finished.ts';
export { readRunAttributes, type RunAttributes } from './run-attributes.ts';
export { runTensors, type ChannelOrder, type RunTensors, type StoredBlocks } from './run-tensors.ts';
export { storeWeights } from './store-weights.ts';
export { readTokenizerFiles, tokenizerVersion, writeTokenizerFiles } from './tokenizer.ts';
export { readGraph, writeGraph } from './graph.ts';
