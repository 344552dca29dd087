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

/** The next bytes of a sketch or of a state's pieces; or what these are opened with, and then, alone, that they are to be read. */
export interface ArrivingMessage {
  readonly state: string;
  readonly data: Uint8Array;
  readonly shared?: readonly Uint8Array[];
  /** Rows of the state that is to be read. */
  readonly tokens?: number;
}

/** A state that a sketch is to have. */
export interface ExpectedState {
  readonly statistic: AnyStatistic;
  readonly channels: number;
}

/**
 * Takes a sketch in from one worker: its pieces go where their statistic keeps them, its own bytes are held until all are there. What is
 * shared is opened while the worker goes on, and read beside what comes next.
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
  const opened = new Map<string, readonly number[]>();
  const reading = new Map<string, Promise<void>>();
  const stateOf = (name: string): ExpectedState => {
    const state = expected.get(name);
    if (state === undefined) throw damagedState(name.slice(0, 80), 'nobody asked for it');
    return state;
  };
  const piecesOf = (name: string): ArrivingPieces<StatisticState> => {
    const { statistic, channels } = stateOf(name);
    if (statistic.pieces === undefined)
      throw damagedState(name.slice(0, 80), 'it has pieces that nobody asked for');
    const arriving = pieces.get(name) ?? statistic.pieces.receive(channels);
    pieces.set(name, arriving);
    return arriving;
  };
  const open = (name: string, handles: readonly Uint8Array[]) => {
    const canRead = stateOf(name).statistic.takeOver !== undefined || piecesOf(name).read !== undefined;
    if (device === undefined || !canRead)
      throw damagedState(name.slice(0, 80), 'it is shared, and nobody asked for that');
    if (opened.has(name)) throw damagedState(name.slice(0, 80), 'it is shared twice');
    const addresses: number[] = [];
    opened.set(name, addresses);
    for (const handle of handles) addresses.push(device.openShared(handle));
  };
  const close = async (name: string) => {
    const addresses = opened.get(name)!;
    opened.set(name, []);
    await Promise.all(addresses.map((address) => device!.closeShared(address)));
  };
  const read = async (name: string, tokens: number) => {
    const [{ statistic, channels }, addresses] = [stateOf(name), opened.get(name)!];
    try {
      if (statistic.takeOver === undefined) await piecesOf(name).read!(device!, addresses);
      else
        taken.set(name, {
          statistic,
          state: await statistic.takeOver(device!, addresses, channels, tokens),
        });
    } finally {
      await close(name);
    }
  };
  return {
    /** @throws EsparseError 'protocol' for what is not to come, or more of it than can be; and where what is shared cannot be opened */
    async add({ state, data, shared = [], tokens = 0 }: ArrivingMessage): Promise<void> {
      if (state === '') {
        size += data.length;
        if (size > limit) throw tooLarge(worker, limit);
        if (data.length > 0) parts.push(data);
      } else if (shared.length > 0) open(state, shared);
      else if (!opened.has(state)) await (data.length > 0 ? piecesOf(state).add(data) : undefined);
      else {
        if (data.length > 0 || reading.has(state))
          throw damagedState(state.slice(0, 80), 'it is shared, and more of it comes');
        const begun = read(state, tokens);
        begun.catch(() => undefined); // told when all is wanted
        reading.set(state, begun);
      }
    },
    /** Waits until all that is shared has been read. @throws what one of them failed with */
    async sketch(): Promise<ArrivedSketch> {
      await Promise.allSettled(reading.values());
      await Promise.all(reading.values());
      for (const state of opened.keys())
        if (!reading.has(state)) throw damagedState(state.slice(0, 80), 'it is shared, and was not finished');
      return { bytes: Buffer.concat(parts), pieces, states: taken };
    },
    /** Gives back what was taken in, once nothing is read any more. */
    async release(): Promise<void> {
      await Promise.allSettled(reading.values());
      await Promise.allSettled([...opened.keys()].map(close));
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
