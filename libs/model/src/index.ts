export { checkTensors, tensorsOfBlock, type StoredTensor } from './check-tensors.ts';
export {
  biasSlot,
  weightSlot,
  type BlockTensorSpec,
  type FinalNormSpec,
  type LinearSpec,
  type ModelDescription,
  type PositionEmbeddingSpec,
  type TapSpec,
  type TensorSpec,
} from './description.ts';
export { describeCheckpoint } from './describe-checkpoint.ts';
export { describeModel, registerFamily, type ModelFamily } from './family.ts';
export { buildBlockGraph, type BlockGraph } from './onnx/block-graph.ts';
export {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  inputsOf,
  type Activation,
  type ActivationOp,
  type AddOp,
  type AttentionOp,
  type BlockOp,
  type GateActivation,
  type GatedActivationOp,
  type LayerNormOp,
  type LinearOp,
  type NormOp,
  type RmsNormOp,
  type RopeOp,
} from './program.ts';
export { type RopeScaling, type RopeSpec } from './rope/spec.ts';
export { ropeFrequencies, ropeTables, type RopeTables } from './rope/tables.ts';
export {
  createBlockRunner,
  type BlockRunner,
  type BlockRunnerOptions,
  type LoadedBlock,
  type TapOutput,
} from './runtime/block-runner.ts';
export { embedTokens } from './runtime/embed.ts';
export { DEVICES, type DeviceName } from './runtime/device-name.ts';
export { CPU, openDevice, type Device } from './runtime/device.ts';
export { createHead, type Head, type HeadOptions } from './runtime/head.ts';
export { instructionSet } from './runtime/instruction-set.ts';
export { createMatrixProducts, productsId, type MatrixProducts } from './runtime/matrix-products.ts';
export { numericsId } from './runtime/numerics.ts';
