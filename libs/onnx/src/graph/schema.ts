import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

/** Where our subset of the ONNX messages lies, seen from src/graph and dist/graph alike. */
const SCHEMA_FILE = new URL('../../../../proto/onnx/onnx.proto', import.meta.url);

let modelType: protobuf.Type | undefined;

/** The message type onnx.ModelProto, parsed once. */
export function modelProto(): protobuf.Type {
  if (modelType === undefined) {
    const source = readFileSync(fileURLToPath(SCHEMA_FILE), 'utf8');
    modelType = protobuf.parse(source, { keepCase: true }).root.lookupType('onnx.ModelProto');
  }
  return modelType;
}
