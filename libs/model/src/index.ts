export { linearsOf, ofKind, slotShapes, tapsOf } from './block-parts.ts';
export { attentionChunk } from './operations/attention-chunks.ts';
export {
  areF32,
  type AdvanceOptions,
  type BlockRunner,
  type DeviceStates,
  type DeviceTap,
  type HiddenValues,
  type LoadedBlock,
  type TapOptions,
  type TapOutput,
} from './block-runner.ts';
export { slotsOf } from './block-slots.ts';
export { checkTensors, tensorsOfBlock, type StoredTensor } from './check-tensors.ts';
export {
  biasSlot,
  linearNamed,
  outerTensor,
  weightSlot,
  type BlockTensorSpec,
  type LinearSpec,
  type ModelDescription,
  type PrunableModel,
  type TapSpec,
  type TensorSpec,
} from './description.ts';
export { describeCheckpoint } from './describe-checkpoint.ts';
export {
  branchesOf,
  describePrunable,
  describePrunableCheckpoint,
  graphOf,
  isGraph,
  type AnyModel,
  type GraphDescription,
} from './graph-description.ts';
export { describeExpert, expertPart, isExpertSlot } from './expert.ts';
export { count, optional, positions, positive } from './config.ts';
export { defineFamily, type FamilyDefinition, type FamilyDescription } from './define-family.ts';
export { describeLlamaDecoder, LLAMA_FIELDS, type LlamaVariant } from './families/llama-decoder.ts';
export { describeModel, familyNamed, registerFamily, type ModelFamily } from './family.ts';
export { loadInThread, type PluginLoader } from './load-in-thread.ts';
export { MAX_SEQLEN } from './limits.ts';
export {
  OPERATIONS,
  operationOf,
  type BlockOp,
  type OperationName,
  type OpNamed,
  type ProgramOp,
} from './operations/index.ts';
export { renaming } from './operations/renaming.ts';
export { MASKED } from './operations/operation.ts';
export type {
  AttributeValue,
  EmitContext,
  Gradients,
  GraphWriter,
  ModelContext,
  Operation,
} from './operations/operation.ts';
export {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  kindOf,
  LOGITS,
  neededFor,
  ropesOf,
  widthsOf,
  type ModelProgram,
} from './program.ts';
export { producersOf, type Producers } from './producers.ts';
export { requireSeqlen } from './require-seqlen.ts';
export { ROPE_FIELDS, ropeFromConfig } from './rope/config.ts';
export { type RopeScaling, type RopeSpec } from './rope/spec.ts';
export { ropeFrequencies, ropeTables, type RopeTables } from './rope/tables.ts';
