import type { CudaArithmetic } from '@esparse/cuda';
import { createMemory, type Memory } from './memory.ts';
import type { Room } from './room.ts';
import type { DeviceTuning } from './steps.ts';

/** What goes on there, and is to be told. */
export type Report = (text: string) => void;

/** What is tuned on a device. */
export interface Opening {
  /** How messages name it. */
  readonly what: string;
  readonly batch: number;
  /** The room that it has in so many bytes. @throws EsparseError where it has none */
  readonly find: (freeBytes: number) => Room;
  /** Puts it and its sequences on the device. */
  readonly place: (room: Room, memory: Memory) => Promise<DeviceTuning>;
}

/**
 * Finds room for what is tuned, and places it. Where that fails, what was taken goes back.
 *
 * @param report told where a batch does not fit at once
 */
export async function openOn(
  gpu: CudaArithmetic,
  { what, batch, find, place }: Opening,
  report?: Report,
): Promise<DeviceTuning> {
  gpu.load('tune');
  const room = find(gpu.roomBytes());
  if (room.atOnce < batch)
    report?.(`a batch of ${batch} sequences goes through the ${what} ${room.atOnce} at a time`);
  gpu.makeRoom(room.free);
  const memory = createMemory(gpu);
  try {
    return await place(room, memory);
  } catch (error) {
    memory.release();
    throw error;
  }
}
