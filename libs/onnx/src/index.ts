export { DEVICES, type DeviceName } from './device/device-name.ts';
export { CPU, openDevice, type Device } from './device/device.ts';
export { instructionSet } from './device/instruction-set.ts';
export { prepareProcess } from './device/prepare-process.ts';
export { tryDevice } from './device/try-device.ts';
export { buildModelGraph, type ModelGraph, type ModelTensor } from './graph/model-graph.ts';
export { createMatrixProducts, productsId, type MatrixProducts } from './matrix-products.ts';
export { createBlockLoss, type BlockLoss, type BlockLossOptions, type Example } from './runner/block-loss.ts';
export {
  createBlockRunner,
  type BlockRunner,
  type BlockRunnerOptions,
  type LoadedBlock,
  type TapOptions,
  type TapOutput,
} from './runner/block-runner.ts';
export { embedTokens } from './runner/embed.ts';
export { createHead, type Head, type HeadOptions } from './runner/head.ts';
export { sequenceLogits } from './runner/logits.ts';
