import { Readable } from 'node:stream';
import type { ServerUnaryCall, ServerWritableStream, handleUnaryCall } from '@grpc/grpc-js';
import { createGatherer } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import {
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
  identityMetadata,
  requireProtocol,
  tileMessages,
  toServiceError,
  type RunRef__Output,
  type WorkerHandlers,
} from '@esparse/protocol';
import { serialiseSketch, type AnyStatistic } from '@esparse/statistics';
import { tapSequence, type TapActivations } from './tap-activations.ts';

export interface FakeHandlerOptions extends TapActivations {
  readonly numerics: string;
  readonly statistics: readonly AnyStatistic[];
  readonly called: (method: string) => void;
}

/** The methods of `esparse.v1.Worker` over synthetic activations. */
export function fakeHandlers(options: FakeHandlerOptions): WorkerHandlers {
  const { taps, numerics, statistics, called } = options;
  /** Sequences of each shard, as it was opened. */
  const opened = new Map<number, number>();

  const runOf = (run: RunRef__Output | null): RunRef__Output => {
    if (run === null) throw new EsparseError('protocol', 'the request names no run');
    requireProtocol(run.protocolVersion, 'the pruner');
    return run;
  };
  const identityOf = (run: RunRef__Output | null) =>
    identityMetadata({ numerics, modelDigest: runOf(run).modelDigest || 'fake' });

  const unary =
    <Request extends object, Reply>(
      method: string,
      reply: (request: Request) => Reply,
    ): handleUnaryCall<Request, Reply> =>
    (call: ServerUnaryCall<Request, Reply>, callback) => {
      called(method);
      try {
        const { run } = call.request as { readonly run?: RunRef__Output | null };
        if (run !== undefined) call.sendMetadata(identityOf(run));
        callback(null, reply(call.request));
      } catch (error) {
        callback(toServiceError(error));
      }
    };
  const stream =
    <Request extends { run: RunRef__Output | null }, Message>(
      method: string,
      messages: (request: Request, run: RunRef__Output) => AsyncIterable<Message>,
    ) =>
    (call: ServerWritableStream<Request, Message>): void => {
      called(method);
      try {
        call.sendMetadata(identityOf(call.request.run));
        const source = Readable.from(messages(call.request, runOf(call.request.run)));
        source.on('error', (error) => call.emit('error', toServiceError(error)));
        call.on('cancelled', () => source.destroy());
        // A writable stream of objects, whatever its types say.
        source.pipe(call as unknown as NodeJS.WritableStream);
      } catch (error) {
        call.emit('error', toServiceError(error));
      }
    };

  /** All sequences of a shard, tap by tap. */
  function* sequencesOf(block: number, shard: number, wanted: readonly string[], seqlen: number) {
    const sequences = opened.get(shard);
    if (sequences === undefined) throw new EsparseError('store', `shard ${shard} was not opened here`);
    const unknown = wanted.find((tap) => !Object.hasOwn(taps, tap));
    if (unknown !== undefined) throw new EsparseError('usage', `this worker has no tap ${unknown}`);
    for (let sequence = 0; sequence < sequences; sequence++) {
      for (const tap of wanted.length > 0 ? wanted : Object.keys(taps)) {
        const data = tapSequence(options, { block, tap, shard, sequence }, seqlen);
        yield { block, tap, shard, sequence, firstRow: 0, rows: seqlen, channels: taps[tap]!, data };
      }
    }
  }

  return {
    Describe: unary('Describe', () => ({
      protocolVersion: PROTOCOL_VERSION,
      softwareVersion: SOFTWARE_VERSION,
      threads: 1,
      peakResidentBytes: process.resourceUsage().maxRSS * 1024,
    })),
    OpenModel: unary('OpenModel', ({ run }) => ({
      modelDigest: runOf(run).modelDigest || 'fake',
      family: 'fake',
      numerics,
    })),
    OpenShard: unary('OpenShard', ({ shard, sequences }) => {
      opened.set(shard, sequences);
      return {};
    }),
    StreamActivations: stream(
      'StreamActivations',
      async function* ({ block, shard, taps: wanted, dense }, run) {
        let number = 0;
        for (const tile of sequencesOf(block, shard, wanted, run.seqlen)) {
          for (const message of tileMessages(dense ? withDense(tile) : tile, number)) {
            number++;
            yield message;
          }
          // Lets a cancelled call end between two sequences.
          await Promise.resolve();
        }
      },
    ),
    GatherStatistics: stream('GatherStatistics', async function* (request, run) {
      const { block, shards, taps: wanted, statistics: refs } = request;
      const names = wanted.length > 0 ? wanted : Object.keys(taps);
      const gatherer = createGatherer({
        taps: new Map(names.map((tap) => [tap, taps[tap] ?? 0])),
        statistics: refs.map(({ name }) => statisticNamed(statistics, name)),
        shards,
      });
      let tokens = 0;
      for (const shard of shards) {
        for (const tile of sequencesOf(block, shard, wanted, run.seqlen)) {
          await gatherer.add({ ...tile, endsSequence: true });
          if (tile.tap === names[0]) tokens += tile.rows;
        }
        yield { tokens };
      }
      for await (const data of serialiseSketch(gatherer.sketch())) yield { data: Buffer.from(data) };
    }),
    TuneBlock: stream('TuneBlock', () => {
      throw new EsparseError('unsupported', 'a fake worker has no block to tune');
    }),
    EndGather: unary('EndGather', () => ({})),
    AdvanceShard: unary('AdvanceShard', () => ({})),
    AdvanceDenseShard: unary('AdvanceDenseShard', () => ({})),
  };
}

/** How far the made-up dense model's activations are from those of the pruned one. */
const DRIFT = 0.05;

/** With the rows of a dense model. */
function withDense<T extends { readonly data: Float32Array }>(tile: T) {
  return { ...tile, dense: tile.data.map((value, i) => value * (1 + DRIFT * Math.sin(i))) };
}

function statisticNamed(statistics: readonly AnyStatistic[], name: string): AnyStatistic {
  const found = statistics.find((statistic) => statistic.name === name);
  if (found === undefined) throw new EsparseError('protocol', `this worker has no statistic ${name}`);
  return found;
}
