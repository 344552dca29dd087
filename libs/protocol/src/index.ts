export { apiKeys, readApiKeys, type ApiKeys } from './api-keys.ts';
export { connectWorker } from './connect-worker.ts';
export { fromServiceError, toServiceError } from './errors.ts';
export type { ActivationTile } from './generated/esparse/v1/ActivationTile.ts';
export type { AdvanceShardRequest__Output } from './generated/esparse/v1/AdvanceShardRequest.ts';
export type { ActivationTile__Output } from './generated/esparse/v1/ActivationTile.ts';
export type { DescribeReply } from './generated/esparse/v1/DescribeReply.ts';
export type { DescribeRequest__Output } from './generated/esparse/v1/DescribeRequest.ts';
export type { OpenShardRequest__Output } from './generated/esparse/v1/OpenShardRequest.ts';
export type { StreamActivationsRequest__Output } from './generated/esparse/v1/StreamActivationsRequest.ts';
export type { GatherStatisticsRequest__Output } from './generated/esparse/v1/GatherStatisticsRequest.ts';
export type { GenerateReply } from './generated/esparse/v1/GenerateReply.ts';
export type { GenerateReply__Output } from './generated/esparse/v1/GenerateReply.ts';
export type { GenerateRequest } from './generated/esparse/v1/GenerateRequest.ts';
export type { GenerateRequest__Output } from './generated/esparse/v1/GenerateRequest.ts';
export type { InferenceHandlers } from './generated/esparse/v1/Inference.ts';
export type { EndGatherRequest__Output } from './generated/esparse/v1/EndGatherRequest.ts';
export type { GatherStatisticsReply } from './generated/esparse/v1/GatherStatisticsReply.ts';
export type { GatherStatisticsReply__Output } from './generated/esparse/v1/GatherStatisticsReply.ts';
export type { TuneBlockReply } from './generated/esparse/v1/TuneBlockReply.ts';
export type { TuneBlockReply__Output } from './generated/esparse/v1/TuneBlockReply.ts';
export type { TuneBlockRequest__Output } from './generated/esparse/v1/TuneBlockRequest.ts';
export type { StatisticRef__Output } from './generated/esparse/v1/StatisticRef.ts';
export type { RunRef__Output } from './generated/esparse/v1/RunRef.ts';
export type { WorkerHandlers } from './generated/esparse/v1/Worker.ts';
export { grpcStatusOf } from './grpc-status.ts';
export { hostGuard, type HostGuard } from './host-guard.ts';
export { identityMetadata, requireIdentity, type WorkerIdentity } from './identity.ts';
export { InferenceClient, inferencePackage, inferenceServiceDefinition } from './inference-service.ts';
export {
  FLOW_CONTROL_WINDOW_BYTES,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_NAME_LENGTH,
  MAX_NAMES,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  MAX_SHARDS,
  MAX_DEVICE_SHARD_BYTES,
  MAX_SHARD_BYTES,
  MAX_SHARD_TOKENS,
  SHARDS_AT_ONCE,
  MAX_TILE_BYTES,
  TUNE_SILENCE_MS,
  UNREAD_TIMEOUT_MS,
} from './limits.ts';
export { workerServiceDefinition } from './service.ts';
export { tileMessages, type Tile, type TileExpectation } from './tiles.ts';
export { clientCredentials, isLoopback, serverCredentials, type ClientTls, type ServerTls } from './tls.ts';
export { PROTOCOL_VERSION, requireProtocol, SOFTWARE_VERSION } from './version.ts';
export type {
  GatherRequest,
  RunTarget,
  ShardTokens,
  TuneBlockRequest,
  WorkerConnection,
} from './worker-connection.ts';
