/** A worker that streams the same tile again and again: what is measured is the way, not the making. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  identityMetadata,
  MAX_REPLY_BYTES,
  tileMessages,
  workerServiceDefinition,
  type WorkerHandlers,
} from '@esparse/protocol';
import { serverStream, unary } from '@esparse/worker';
import { pino } from 'pino';
import { seededNumbers } from '../support/random-model.ts';

export const TAP = 'mlp_out';
export const CHANNELS = 1408;
export const SEQLEN = 512;
export const SEQUENCES = 256;

async function serve(): Promise<void> {
  const random = seededNumbers(1);
  const data = Float32Array.from({ length: SEQLEN * CHANNELS }, () => random() + random() + random() - 1.5);
  const options = { log: pino({ level: 'silent' }), stopping: new AbortController().signal };
  const refuse = unary(options, 'none', () => Promise.reject(new Error('not measured')));
  const handlers = {
    Describe: refuse,
    OpenModel: refuse,
    OpenShard: refuse,
    AdvanceShard: refuse,
    GatherStatistics: refuse,
    StreamActivations: serverStream(options, 'tiles', async function* (_, { sendMetadata }) {
      sendMetadata(identityMetadata({ numerics: 'none', modelDigest: 'none' }));
      let number = 0;
      for (let sequence = 0; sequence < SEQUENCES; sequence++) {
        const tile = {
          block: 0,
          tap: TAP,
          shard: 0,
          sequence,
          firstRow: 0,
          rows: SEQLEN,
          channels: CHANNELS,
          data,
        };
        for (const message of tileMessages(tile, number)) {
          number++;
          yield message;
        }
      }
      await Promise.resolve();
    }),
  } as unknown as WorkerHandlers;
  const server = new Server({
    'grpc.max_send_message_length': MAX_REPLY_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  });
  server.addService(workerServiceDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  process.on('disconnect', () => process.exit());
  process.send?.(`127.0.0.1:${port}`);
}

// The constants are also read by the process that measures.
if (process.send !== undefined) await serve();
