export { checkTensors, tensorsOfBlock, type StoredTensor } from './check-tensors.ts';
export {
  biasSlot,
  linearNamed,
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
  OPERATIONS,
  operationOf,
  type BlockOp,
  type OperationName,
  type OpNamed,
} from './operations/index.ts';
export type { AttributeValue, EmitContext, GraphWriter, Operation } from './operations/operation.ts';
export { BLOCK_INPUT, BLOCK_OUTPUT, neededFor } from './program.ts';
export { type RopeScaling, type RopeSpec } from './rope/spec.ts';
export { ropeFrequencies, ropeTables, type RopeTables } from './rope/tables.ts';
