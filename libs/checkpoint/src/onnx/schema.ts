import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import protobuf from 'protobufjs';

/** The ONNX messages. */
const SCHEMA_FILE = createRequire(import.meta.url).resolve('@esparse/proto/onnx/onnx.proto');

let modelType: protobuf.Type | undefined;

/** The message type onnx.ModelProto, parsed once. */
export function modelProto(): protobuf.Type {
  if (modelType === undefined) {
    const source = readFileSync(SCHEMA_FILE, 'utf8');
    modelType = protobuf.parse(source, { keepCase: true }).root.lookupType('onnx.ModelProto');
  }
  return modelType;
}
