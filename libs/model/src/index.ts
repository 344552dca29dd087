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
export { MAX_SEQLEN } from './limits.ts';
export {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  inputsOf,
  neededFor,
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
