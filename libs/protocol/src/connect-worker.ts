import { credentials } from '@grpc/grpc-js';
import { openChannel } from './channel.ts';
import { streamCall, unaryCall, type CallOptions } from './client-calls.ts';
import { createConnectionState } from './connection-state.ts';
import type { AdvanceShardReply__Output } from './generated/esparse/v1/AdvanceShardReply.ts';
import type { DescribeReply__Output } from './generated/esparse/v1/DescribeReply.ts';
import type { EndGatherReply__Output } from './generated/esparse/v1/EndGatherReply.ts';
import type { OpenModelReply__Output } from './generated/esparse/v1/OpenModelReply.ts';
import type { OpenShardReply__Output } from './generated/esparse/v1/OpenShardReply.ts';
import { DESCRIBE_DEADLINE_MS, MAX_DEADLINE_MS, OPEN_DEADLINE_MS, SHARD_DEADLINE_MS } from './limits.ts';
import { readTiles } from './read-tiles.ts';
import { PROTOCOL_VERSION, requireProtocol } from './version.ts';
import type { RunTarget, WorkerConnection } from './worker-connection.ts';

/** Opens a connection to workers; nothing is sent before the first call, or `watch`. */
export function connectWorker(
  address: string,
  channelCredentials = credentials.createInsecure(),
): WorkerConnection {
  const state = createConnectionState();
  const client = openChannel(address, channelCredentials, state);
  const to = (target: RunTarget | undefined, signal: AbortSignal | undefined): CallOptions => ({
    address,
    expected: target,
    signal,
  });

  return {
    address,
    get ready() {
      return state.ready;
    },
    get trouble() {
      return state.trouble;
    },
    get wireBytes() {
      return state.wireBytes;
    },
    watch(listener) {
      state.onChange = listener;
      client.getChannel().getConnectivityState(true);
    },
    async describe(signal) {
      const reply = await unaryCall<DescribeReply__Output>(to(undefined, signal), (done) =>
        client.describe({ protocolVersion: PROTOCOL_VERSION }, within(DESCRIBE_DEADLINE_MS), done),
      );
      requireProtocol(reply.protocolVersion, `worker ${address}`);
      return reply;
    },
    openModel: (target, signal) =>
      unaryCall<OpenModelReply__Output>(to(target, signal), (done) =>
        client.openModel({ run: refOf(target) }, within(OPEN_DEADLINE_MS), done),
      ),
    async openShard(target, { shard, sequences, tokens }, signal) {
      const request = { run: refOf(target), shard, sequences, tokens: [...tokens] };
      await unaryCall<OpenShardReply__Output>(to(target, signal), (done) =>
        client.openShard(request, within(SHARD_DEADLINE_MS), done),
      );
    },
    streamActivations(target, expected, signal) {
      const { block, shard, taps, dense = false, allTokens = false } = expected;
      const request = { run: refOf(target), block, shard, taps: [...taps.keys()], dense, allTokens };
      const messages = streamCall(to(target, signal), () =>
        client.streamActivations(request, within(SHARD_DEADLINE_MS)),
      );
      return readTiles(messages, expected, address);
    },
    gatherStatistics(target, { block, shards, taps, statistics, allTokens = false, shares = false }, signal) {
      const request = {
        run: refOf(target),
        block,
        shards: [...shards],
        taps: [...taps],
        statistics: [...statistics],
        allTokens,
        shares,
      };
      const deadline = within(SHARD_DEADLINE_MS * Math.max(1, shards.length));
      return streamCall(to(target, signal), () => client.gatherStatistics(request, deadline));
    },
    async endGather(target, signal) {
      await unaryCall<EndGatherReply__Output>(to(target, signal), (done) =>
        client.endGather({ run: refOf(target) }, within(DESCRIBE_DEADLINE_MS), done),
      );
    },
    tuneBlock(target, { shards, ...request }, signal) {
      const message = { run: refOf(target), ...request, shards: [...shards] };
      // However long it takes: one that hangs is known by its silence (`TUNE_SILENCE_MS`).
      return streamCall(to(target, signal), () => client.tuneBlock(message, within(MAX_DEADLINE_MS)));
    },
    async advanceShard(target, block, shard, signal) {
      await unaryCall<AdvanceShardReply__Output>(to(target, signal), (done) =>
        client.advanceShard({ run: refOf(target), block, shard }, within(SHARD_DEADLINE_MS), done),
      );
    },
    async advanceDenseShard(target, block, shard, signal) {
      await unaryCall<AdvanceShardReply__Output>(to(target, signal), (done) =>
        client.advanceDenseShard({ run: refOf(target), block, shard }, within(SHARD_DEADLINE_MS), done),
      );
    },
    close() {
      state.onChange = () => undefined;
      client.close();
    },
  };
}

function refOf({ numerics = '', modelDigest = '', branches = {}, ...target }: RunTarget) {
  return { ...target, numerics, modelDigest, branches, protocolVersion: PROTOCOL_VERSION };
}

function within(milliseconds: number) {
  return { deadline: Date.now() + Math.min(milliseconds, MAX_DEADLINE_MS) };
}
