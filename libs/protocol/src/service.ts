import { loadPackageDefinition, logVerbosity, setLogVerbosity, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { tileEncoder } from './encode-tile.ts';
import type { ActivationTile } from './generated/esparse/v1/ActivationTile.ts';
import type { WorkerHandlers } from './generated/esparse/v1/Worker.ts';
import type { ProtoGrpcType } from './generated/worker.ts';
import { PROTO_FOLDER } from './proto-folder.ts';

// What gRPC reports we report as errors: on standard error its lines would stand before ours.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);

const loaded = loadPackageDefinition(
  loadSync('esparse/v1/worker.proto', {
    includeDirs: [PROTO_FOLDER],
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  }),
  // proto-loader builds these from the very file that the types are generated from.
) as unknown as ProtoGrpcType;

/** Client class and service definition of `esparse.v1.Worker`. */
export const WorkerService = loaded.esparse.v1.Worker;

const service = WorkerService.service as unknown as ServiceDefinition<WorkerHandlers>;

/** The same, as `Server.addService` takes it; tiles have an encoder of their own. */
export const workerServiceDefinition: ServiceDefinition<WorkerHandlers> = {
  ...service,
  StreamActivations: {
    ...service.StreamActivations,
    responseSerialize: tileEncoder(
      service.StreamActivations.responseSerialize as (tile: ActivationTile) => Buffer,
    ),
  },
};

/** Encoding of `esparse.v1.ErrorDetail`. */
export const ErrorDetailCodec = loaded.esparse.v1.ErrorDetail;
