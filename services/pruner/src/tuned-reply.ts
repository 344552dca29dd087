import { EsparseError } from '@esparse/errors';
import { weightSlot } from '@esparse/model';
import type { TuneBlockReply__Output } from '@esparse/protocol';

/** What a worker must send of a block that it has tuned. */
export interface ExpectedValues {
  readonly linears: readonly { readonly name: string; readonly elements: number }[];
  readonly tensors: readonly { readonly slot: string; readonly elements: number }[];
}

/** What it has sent. */
export interface TunedReply {
  readonly weights: Readonly<Record<string, Uint16Array>>;
  readonly tensors: Readonly<Record<string, Float32Array>>;
  readonly report: Readonly<Record<string, number | string>>;
}

/**
 * Reads what a worker sends of a block that it tunes: no more than is expected, and all of it. What the values are is checked as
 * those of any block stage.
 *
 * @throws EsparseError 'protocol' naming the worker
 */
export async function readTuned(
  messages: AsyncIterable<TuneBlockReply__Output>,
  { linears, tensors }: ExpectedValues,
  { worker, progress }: { readonly worker: string; readonly progress: (done: number, total: number) => void },
): Promise<TunedReply> {
  const refused = (what: string) =>
    new EsparseError('protocol', `worker ${worker} ${what}`, { context: { worker } });
  const parts = new Map<string, Filling>([
    ...linears.map(({ name, elements }) => [weightSlot(name), filling(2 * elements)] as const),
    ...tensors.map(({ slot, elements }) => [slot, filling(4 * elements)] as const),
  ]);
  let report: TunedReply['report'] | undefined;
  for await (const message of messages) {
    if (message.report !== null) report = { ...message.report };
    else if (message.slot === '') progress(message.done, message.total);
    else if (parts.get(message.slot)?.add(message.data) !== true)
      throw refused(`sent more of ${JSON.stringify(message.slot.slice(0, 80))} than was asked for`);
  }
  const short = [...parts].find(([, { isFull }]) => !isFull());
  if (short !== undefined) throw refused(`did not send all of ${short[0]}`);
  if (report === undefined) throw refused('did not say what came of tuning');
  const bufferOf = (slot: string) => parts.get(slot)!.buffer;
  return {
    weights: Object.fromEntries(
      linears.map(({ name }) => [name, new Uint16Array(bufferOf(weightSlot(name)))]),
    ),
    tensors: Object.fromEntries(tensors.map(({ slot }) => [slot, new Float32Array(bufferOf(slot))])),
    report,
  };
}

/** Memory of a known size that is filled piece by piece. */
interface Filling {
  readonly buffer: ArrayBuffer;
  /** False where the piece does not fit. */
  add(piece: Uint8Array): boolean;
  isFull(): boolean;
}

function filling(bytes: number): Filling {
  const buffer = new ArrayBuffer(bytes);
  let filled = 0;
  return {
    buffer,
    add(piece) {
      if (filled + piece.length > bytes) return false;
      new Uint8Array(buffer).set(piece, filled);
      filled += piece.length;
      return true;
    },
    isFull: () => filled === bytes,
  };
}
