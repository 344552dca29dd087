import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { InferenceHandlers } from './generated/esparse/v1/Inference.ts';
import type { ProtoGrpcType } from './generated/inference.ts';
import { PROTO_FOLDER } from './proto-folder.ts';

/** The package as proto-loader gives it: what the reflection service describes. */
export const inferencePackage = loadSync('esparse/v1/inference.proto', {
  includeDirs: [PROTO_FOLDER],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});

// proto-loader builds this from the very file that the types are generated from.
const loaded = loadPackageDefinition(inferencePackage) as unknown as ProtoGrpcType;

/** Client class of `esparse.v1.Inference`. */
export const InferenceClient = loaded.esparse.v1.Inference;

/** The service, as `Server.addService` takes it. */
export const inferenceServiceDefinition =
  InferenceClient.service as unknown as ServiceDefinition<InferenceHandlers>;
