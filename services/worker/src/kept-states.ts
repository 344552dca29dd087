import { elementCount } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { DeviceStates } from '@esparse/model';
import { lacksDeviceMemory, type DeviceMemory, type StatisticDevice } from '@esparse/statistics';
import type { StoredHiddenShard } from '@esparse/store';

/** Which hidden states of a run. */
export interface StatesKey {
  readonly store: string;
  readonly run: string;
  /** Whether they are the dense model's own. */
  readonly dense: boolean;
  /** The block that takes them in. */
  readonly block: number;
  readonly shard: number;
}

/** Hidden states of a shard in a device's memory: [sequences, seqlen, hidden], bf16. */
export interface PlacedStates extends DeviceStates {
  readonly shape: readonly number[];
}

/** What holds states beside the store, so that whoever has just made them need not read them. */
export type StatesDevice = Pick<StatisticDevice, 'allocate' | 'release' | 'upload' | 'copy'>;

/** Hidden states that stay in a device's memory as long as there is room: all of them are in the store, too. */
export interface KeptStates {
  find(key: StatesKey): PlacedStates | undefined;
  /** Keeps states that lie on the host. */
  place(key: StatesKey, states: StoredHiddenShard): PlacedStates | undefined;
  /** Keeps a copy of some that lie in the device's memory. */
  copy(key: StatesKey, states: PlacedStates): void;
  /** Lets states stay where they are until what is returned is called, even where they are not kept any more. */
  hold(states: PlacedStates): () => void;
  /** So much memory they have. */
  readonly bytes: () => number;
  /** Gives all of their memory back, that of those that are held when they are let go. */
  clear(): void;
}

/**
 * States of one run are kept, those of the block that is computed and those that it gives.
 *
 * @param room - bytes that they may have
 */
export function createKeptStates(device: StatesDevice, room: number): KeptStates {
  const kept = new Map<
    string,
    { readonly key: StatesKey; readonly memory: DeviceMemory; readonly shape: readonly number[] }
  >();
  /** By their addresses: how many work with them, and their memory where it goes back after that. */
  const inUse = new Map<number, { users: number; dropped?: DeviceMemory }>();
  let held = 0;
  const drop = (name: string, { memory }: { readonly memory: DeviceMemory }) => {
    const use = inUse.get(memory.address);
    if (use === undefined) device.release(memory);
    else use.dropped = memory;
    held -= memory.bytes;
    kept.delete(name);
  };
  const hold = ({ address }: PlacedStates) => {
    const use = inUse.get(address) ?? { users: 0 };
    inUse.set(address, use);
    use.users++;
    return () => {
      if (--use.users > 0) return;
      inUse.delete(address);
      if (use.dropped !== undefined) device.release(use.dropped);
    };
  };
  const clear = () => {
    for (const [name, each] of kept) drop(name, each);
  };
  const take = (key: StatesKey, shape: readonly number[]): PlacedStates | undefined => {
    const name = nameOf(key);
    for (const [other, each] of kept) {
      const { store, run, block } = each.key;
      if (other === name || store !== key.store || run !== key.run || block < key.block - 1)
        drop(other, each);
    }
    const length = elementCount(shape);
    if (held + 2 * length > room) return undefined;
    const memory = allocated(device, 2 * length);
    if (memory === undefined) return undefined;
    held += memory.bytes;
    kept.set(name, { key, memory, shape });
    return { address: memory.address, length, shape };
  };
  return {
    find(key) {
      const found = kept.get(nameOf(key));
      if (found === undefined) return undefined;
      const { memory, shape } = found;
      return { address: memory.address, length: elementCount(shape), shape };
    },
    place(key, { data, shape }) {
      if (data.BYTES_PER_ELEMENT !== 2) throw new EsparseError('internal', 'states in f32 are not kept');
      const placed = take(key, shape);
      if (placed !== undefined) device.upload(placed.address, data);
      return placed;
    },
    copy(key, { address, length, shape }) {
      const placed = take(key, shape);
      if (placed !== undefined) device.copy(placed.address, address, 2 * length);
    },
    hold,
    bytes: () => held,
    clear,
  };
}

function nameOf({ store, run, dense, block, shard }: StatesKey): string {
  return JSON.stringify([store, run, dense, block, shard]);
}

/** States are kept where there is room for them: without it they are read again. */
function allocated(device: StatesDevice, bytes: number): DeviceMemory | undefined {
  try {
    return device.allocate(bytes);
  } catch (error) {
    if (!lacksDeviceMemory(error)) throw error;
    return undefined;
  }
}
