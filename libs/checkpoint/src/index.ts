export { chatTemplateSource } from './chat-template.ts';
export { openCheckpoint, type Checkpoint } from './checkpoint.ts';
export { canonicalJson } from './json.ts';
export { tensorToF32, tensorToHalf, type HalfTensor } from './convert.ts';
export { fusedBytes } from './fused-bytes.ts';
export { matricesOf, type FusedMatrices, type FusedTensor } from './fused-tensor.ts';
export { endTokensOf } from './end-tokens.ts';
export { INDEX_FILE, SINGLE_FILE } from './shard-index.ts';
export { ARCHITECTURES as GGUF_ARCHITECTURES } from './gguf/architectures.ts';
export {
  ggufFile,
  type GgufBlockSource,
  type GgufFile,
  type GgufOptions,
  type GgufTensorSource,
} from './gguf/write-gguf.ts';
export { type TensorDtype, type TensorInfo } from './tensor-info.ts';
export { badLine, parseJsonLines, wholeCharacters, type JsonLine, type LineFault } from './json-lines.ts';
export { readText, readUtf8 } from './text.ts';
export { makeTokenText, type TextStream, type TokenText } from './token-text.ts';
export {
  makeTokenizer,
  openTokenizer,
  type EncodeOptions,
  type TextTokenizer,
  type TokenizerOptions,
} from './tokenizer.ts';
export { tokenizerFiles, type TokenizerFile } from './tokenizer-files.ts';
export { bytesOf, elementCount, elementsOf } from './views.ts';
export { checkpointWeights, type PackedMatrix, type WeightSource } from './weight-source.ts';
export {
  calibrationWindows,
  separateWindows,
  CALIBRATION_ALGORITHM,
  evaluationWindows,
  type CalibrationOptions,
} from './windows.ts';
export {
  shardName,
  writeCheckpoint,
  type TensorToWrite,
  type WriteCheckpointOptions,
} from './write-checkpoint.ts';
export { safetensorsHeader, tensorBytes, type TensorToList } from './write-safetensors-header.ts';
export { followOrder, type FollowedOrder, type StoppedOrder } from './onnx/channels/follow.ts';
export { graphFacts, type GraphFacts, type TensorAxis } from './onnx/channels/graph-facts.ts';
export { composedOrder } from './onnx/channels/order.ts';
export { inputAxis, inputOf, reachesOf, type ReachSpan } from './onnx/channels/reach.ts';
export { modelProto } from './onnx/schema.ts';
export { nodesFor, valuesBefore, type Cut } from './onnx/cut.ts';
export {
  graphValues,
  type GraphLinear,
  type GraphParts,
  type GraphTap,
  type GraphValue,
  type LeftAlone,
} from './onnx/describe.ts';
export {
  attributeOf,
  decodeModel,
  ELEMENT,
  encodeModel,
  intOf,
  type GraphMessage,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
} from './onnx/messages.ts';
export { gatherMatrix, scatterMatrix, type MatrixPlace } from './onnx/matrix-place.ts';
export { type TapSource } from './onnx/operators/operator.ts';
export {
  elementsIn,
  externalOf,
  setElements,
  setExternal,
  shapeOf,
  tensorsOf,
  type Elements,
} from './onnx/tensors.ts';
export { readsOf, viewOf, type Branches, type GraphView } from './onnx/view.ts';
export { readNpy, writeNpy, type ArrayValue } from './samples/npy.ts';
export { openSamples, type Samples, type SamplesOptions } from './samples/samples.ts';
export {
  graphFile,
  type ConstantInput,
  type GraphInput,
  type NodeInput,
  type ValueInput,
} from './onnx/write-graph.ts';
export { isGraphFile, readGraphFile } from './model-folder.ts';
