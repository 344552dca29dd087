import { EsparseError } from '@esparse/errors';
import {
  damagedState,
  type AnyStatistic,
  type ArrivingPieces,
  type SharingDevice,
  type SketchState,
  type StatisticState,
} from '@esparse/statistics';

/** A sketch, and the pieces of those of its states that have some. */
export interface ArrivedSketch {
  readonly bytes: Uint8Array;
  readonly pieces: ReadonlyMap<string, ArrivingPieces<StatisticState>>;
  /** States that are not in it. */
  readonly states: ReadonlyMap<string, SketchState>;
}

/** The next bytes of a sketch or of a state's pieces, or where these lie. */
export interface ArrivingMessage {
  readonly state: string;
  readonly data: Uint8Array;
  readonly shared?: readonly Uint8Array[];
  /** Rows of the state that is shared. */
  readonly tokens?: number;
}

/** A state that a sketch is to have. */
export interface ExpectedState {
  readonly statistic: AnyStatistic;
  readonly channels: number;
}

/**
 * Takes a sketch in from one worker: its pieces go where their statistic keeps them, its own bytes are held until all are there. What is
 * shared is read while the next comes: pieces beside each other, and beside them states that are taken over, one after the other, since
 * parts of one are copied several at once.
 *
 * @param limit - bytes of the sketch itself, at most
 */
export function sketchArrival(
  expected: ReadonlyMap<string, ExpectedState>,
  {
    limit,
    worker,
    device,
  }: { readonly limit: number; readonly worker: string; readonly device?: SharingDevice | undefined },
) {
  const pieces = new Map<string, ArrivingPieces<StatisticState>>();
  const taken = new Map<string, SketchState>();
  const parts: Uint8Array[] = [];
  let size = 0;
  const opened = new Set<string>();
  const opening: Promise<void>[] = [];
  let takenOver: Promise<void> = Promise.resolve();
  const ended = () => Promise.allSettled(opening);
  const begin = (work: Promise<void>) => {
    work.catch(() => undefined); // told when all is wanted
    opening.push(work);
  };
  return {
    /** @throws EsparseError 'protocol' for what is not to come, or more of it than can be */
    async add({ state, data, shared = [], tokens = 0 }: ArrivingMessage): Promise<void> {
      if (data.length === 0 && shared.length === 0) return;
      if (state === '') {
        size += data.length;
        if (size > limit) throw tooLarge(worker, limit);
        parts.push(data);
        return;
      }
      const { statistic, channels } = expected.get(state) ?? {};
      if (opened.has(state)) throw damagedState(state.slice(0, 80), 'it is shared, and more of it comes');
      if (shared.length > 0 && device !== undefined && statistic?.takeOver !== undefined) {
        opened.add(state);
        const takeOver = async () => {
          taken.set(state, {
            statistic,
            state: await statistic.takeOver!(device, shared, channels!, tokens),
          });
        };
        takenOver = takenOver.then(takeOver);
        begin(takenOver);
        return;
      }
      if (statistic?.pieces === undefined || channels === undefined)
        throw damagedState(state.slice(0, 80), 'it has pieces that nobody asked for');
      let arriving = pieces.get(state);
      if (arriving === undefined) pieces.set(state, (arriving = statistic.pieces.receive(channels)));
      if (shared.length === 0) {
        await arriving.add(data);
        return;
      }
      if (device === undefined || arriving.open === undefined)
        throw damagedState(state.slice(0, 80), 'it is shared, and nobody asked for that');
      opened.add(state);
      begin(arriving.open(device, shared));
    },
    /** Waits until all that is shared has been read. @throws what one of them failed with */
    async sketch(): Promise<ArrivedSketch> {
      await ended();
      await Promise.all(opening);
      return { bytes: Buffer.concat(parts), pieces, states: taken };
    },
    /** Gives back what was taken in, once nothing is read any more. */
    async release(): Promise<void> {
      await ended();
      for (const arriving of pieces.values()) arriving.release();
      for (const { statistic, state } of taken.values()) statistic.dispose?.(state);
    },
  };
}

function tooLarge(worker: string, limit: number): EsparseError {
  return new EsparseError('protocol', `worker ${worker} sent a sketch of more than ${limit} bytes`, {
    context: { worker },
  });
}
