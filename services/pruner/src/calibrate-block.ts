import type { TapSpec } from '@esparse/model';
import { defer, finalize, from, map, mergeMap, tap as peek, type Observable } from 'rxjs';
import {
  fromPull,
  gatherStatistics,
  mergeSerialisedShards,
  mergeShards,
  stateName,
  statisticsOf,
} from '@esparse/dataflow';
import { free } from '@esparse/kernels';
import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import type { Tile, WorkerConnection } from '@esparse/protocol';
import { maxSketchBytes, parametersText, withLock, type StatisticSketch } from '@esparse/statistics';
import { attempt$ } from './attempt.ts';
import { batchesOf } from './batches.ts';
import { measuredTiles } from './operators/measured-tiles.ts';
import { statisticOperator, TAP } from './operators/names.ts';
import { orLeaveRoom } from './or-leave-room.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import { sketchArrival } from './sketch-arrival.ts';

/**
 * The statistics that metric and stages need of what a block's pruned linears read, over all shards; emits them once, when
 * the last shard is in. A shard counts once, and only when it is complete, however often it was tried.
 */
export function calibrateBlock$(context: RunContext, wanted: Activations): Observable<StatisticSketch> {
  return defer(() =>
    context.combine === 'worker' ? combined$(context, wanted) : streamed$(context, wanted),
  );
}

/** Which activations of a block are gathered. */
export interface Activations {
  readonly block: number;
  readonly taps: readonly TapSpec[];
  /** Whether all tokens go to every expert, instead of those that are routed there. */
  readonly allTokens: boolean;
}

/** Those of the taps that have the rows of some tokens only. */
function routedTaps({ taps, allTokens }: Activations): readonly TapSpec[] {
  return allTokens ? [] : taps.filter(({ expert }) => expert !== undefined);
}

/** Those of the taps whose rows are no tokens. */
function ownTaps({ taps }: Activations): readonly TapSpec[] {
  return taps.filter(({ ownRows }) => ownRows === true);
}

/** Activations cross the wire, and are folded here. */
function streamed$(context: RunContext, wanted: Activations): Observable<StatisticSketch> {
  const { readers, shards, pool, target, options, meter } = context;
  const { block, allTokens } = wanted;
  const taps = new Map(wanted.taps.map(({ name, channels }) => [name, channels]));
  const routed = new Set(routedTaps(wanted).map(({ name }) => name));
  const ownRows = new Set(ownTaps(wanted).map(({ name }) => name));
  const gathered = statisticsOf(readers);
  const counting = gathered.map(({ name }) => statisticOperator(name));
  const [firstTap] = taps.keys();
  const progress = progressOf(context, block);
  // Before the first block both models are the same.
  const dense = gathered.some(({ needsDense }) => needsDense === true) && block > 0;

  const tilesOf$ = (worker: WorkerConnection, shard: Shard) =>
    defer(() => {
      const attempt = progress.attempt();
      let waiting = 0;
      const wait = (change: number) => {
        waiting += change;
        for (const operator of counting) meter.queue(operator, change);
      };
      return fromPull<Tile>(
        (signal) =>
          measuredTiles(
            numbered(
              context,
              shard,
              new Set([...routed, ...ownRows]),
            )(
              worker.streamActivations(
                target,
                {
                  ...{ block, shard: shard.index, seqlen: options.seqlen, sequences: shard.sequences },
                  ...{ taps, routed, ownRows, allTokens, dense },
                },
                signal,
              ),
            ),
            meter,
          ),
        {
          dispose: ({ data, dense: beside, rows }) => {
            for (const operator of counting) meter.done(operator, rows);
            if (waiting > 0) wait(-1);
            free(data);
            if (beside !== undefined) free(beside);
          },
        },
      ).pipe(
        peek(({ value: tile }) => {
          // Of a graph it is samples that are counted, whatever rows they have.
          if (tile.tap === firstTap)
            attempt.add(ownRows.has(tile.tap) ? Number(tile.endsSequence) : tile.rows);
          wait(1);
        }),
        gatherStatistics({ taps, statistics: gathered, shards: [shard.index], guard: context.guard }),
        finalize(() => {
          attempt.end();
          wait(-waiting);
        }),
      );
    });

  return from(shards).pipe(
    mergeMap((shard) => {
      const size = shard.sequences * options.seqlen;
      return pool
        .run$({
          kind: 'calibrate',
          size,
          ids: { block, shards: [shard.index] },
          run$: (worker) => tilesOf$(worker, shard),
        })
        .pipe(
          peek(() => {
            progress.done(size);
          }),
          // States are large: faster workers wait for the merging.
          map((value) => ({ value, release: pool.hold() })),
        );
    }),
    mergeShards(context.guard),
  );
}

/**
 * Gives tiles the numbers of their tokens where somebody wants to know them.
 *
 * @param without taps whose rows are not one token after the other: those of experts, and those that are no tokens
 */
function numbered(
  { shards, options }: RunContext,
  shard: Shard,
  without: ReadonlySet<string>,
): (tiles: AsyncIterable<Tile>) => AsyncIterable<Tile & { readonly firstToken?: number }> {
  if (options.figureTokens !== true) return (tiles) => tiles;
  const before = shards.slice(0, shard.index).reduce((sum, { sequences }) => sum + sequences, 0);
  return async function* (tiles) {
    for await (const tile of tiles) {
      const { sequence, firstRow } = tile;
      const firstToken = (before + sequence) * options.seqlen + firstRow;
      yield without.has(tile.tap) ? tile : { ...tile, firstToken };
    }
  };
}

/** Activations are folded where they arise, and one sketch of each batch of shards crosses the wire. */
function combined$(context: RunContext, wanted: Activations): Observable<StatisticSketch> {
  const { readers, shards, pool, target, options, meter, devices } = context;
  const { block, taps, allTokens } = wanted;
  const gathered = statisticsOf(readers);
  const refs = gathered.map(({ name, version, parameters }) => ({
    name,
    version,
    parameters: parametersText(parameters),
  }));
  const states = new Map(
    taps.flatMap(({ name, channels }) =>
      gathered.map((statistic) => [stateName(name, statistic.name), { statistic, channels }] as const),
    ),
  );
  const channels = new Map([...states].map(([name, state]) => [name, state.channels]));
  const statesOf = (some: readonly TapSpec[]) =>
    new Set(some.flatMap((tap) => gathered.map(({ name }) => stateName(tap.name, name))));
  const [fewer, ownRows] = [statesOf(routedTaps(wanted)), statesOf(ownTaps(wanted))];
  const byName = new Map(gathered.map((statistic) => [statistic.name, statistic]));
  const limit = maxSketchBytes({ channels });
  const progress = progressOf(context, block);

  const gather = async (worker: WorkerConnection, batch: readonly Shard[], signal: AbortSignal) => {
    signal.throwIfAborted();
    const attempt = progress.attempt();
    const end = meter.busy(TAP);
    const sharing = context.sharing?.works === true ? context.sharing : undefined;
    const arrival = sketchArrival(states, { limit, worker: worker.address, device: sharing?.device });
    /** Where it cannot be read, all of it is gathered again, to be sent. */
    const read = async <T>(isShared: boolean, work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        if (sharing === undefined || !isShared || isFinal(error)) throw error;
        sharing.works = false;
        throw new EsparseError('unavailable', `statistics are sent from now on: ${messageOf(error)}`, {
          cause: error,
        });
      }
    };
    // What it shares it keeps until it is told that all has been read, or is not wanted.
    let keeps = sharing !== undefined;
    try {
      const request = {
        block,
        shards: batch.map(({ index }) => index),
        taps: taps.map(({ name }) => name),
        statistics: refs,
        allTokens,
        shares: sharing !== undefined,
      };
      let tokens = 0;
      for await (const message of worker.gatherStatistics(target, request, signal)) {
        if (message.tokens > tokens) {
          attempt.add(message.tokens - tokens);
          tokens = message.tokens;
        }
        await read(message.shared.length > 0, arrival.add(message));
      }
      const arrived = await read(true, arrival.sketch());
      if (keeps) await worker.endGather(target);
      keeps = false;
      return arrived;
    } catch (error) {
      await arrival.release();
      // Although this attempt may be cancelled. Where that fails, too, the first error says more.
      if (keeps) await worker.endGather(target).catch(() => undefined);
      throw error;
    } finally {
      end();
      attempt.end();
    }
  };

  return from(batchesOf(shards, Math.min(pool.ready, options.inFlight ?? Infinity))).pipe(
    mergeMap((batch, place) => {
      const tokens = batch.reduce((sum, { sequences }) => sum + sequences * options.seqlen, 0);
      const expected = {
        statistics: byName,
        channels,
        shards: batch.map(({ index }) => index),
        tokens,
        fewer,
        ownRows,
      };
      return pool
        .run$({
          kind: 'combine',
          place,
          size: tokens,
          ids: { block, shards: expected.shards },
          run$: (worker) =>
            attempt$(async (signal) => {
              // When what was gathered there before is over, also where that was cancelled: a worker that begins drops what it has, and what
              // it is told of the one would end the other.
              const gathered = await orLeaveRoom(devices, () =>
                withLock([worker], () => gather(worker, batch, signal)),
              );
              return { ...gathered, expected };
            }),
        })
        .pipe(
          peek(() => {
            progress.done(tokens, batch.length);
          }),
        );
    }),
    mergeSerialisedShards(),
  );
}

/** Whether an error says that the pruner's own GPU is gone, or that the worker does not do what was agreed. */
function isFinal(error: unknown): boolean {
  return isEsparseError(error) && (error.context.device === 'lost' || error.kind === 'protocol');
}

/** Emits the tokens that are done, and those of attempts under way: those of an attempt that fails are taken off again. */
function progressOf({ shards, options, pool, meter, emit }: RunContext, block: number) {
  const total = shards.reduce((sum, { sequences }) => sum + sequences * options.seqlen, 0);
  let finished = 0;
  let underWay = 0;
  meter.queue(TAP, shards.length);
  const report = () => {
    const done = Math.min(total, finished + underWay);
    const workers = pool.ready;
    emit({ event: 'progress', block, phase: 'calibrate', done, total, unit: 'tokens', workers });
  };
  return {
    done(tokens: number, shardsDone = 1) {
      finished += tokens;
      meter.done(TAP, tokens);
      meter.queue(TAP, -shardsDone);
      report();
    },
    attempt() {
      let tokens = 0;
      return {
        add(more: number) {
          tokens += more;
          underWay += more;
          report();
        },
        end() {
          underWay -= tokens;
          tokens = 0;
        },
      };
    },
  };
}
