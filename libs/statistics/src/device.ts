import { isEsparseError } from '@esparse/errors';

/** A piece of a GPU's memory. */
export interface DeviceMemory {
  readonly address: number;
  readonly bytes: number;
}

/** An argument of a kernel: an address, a whole number of 32 or 64 bits, a float, a double. */
export type DeviceArgument =
  | { readonly pointer: number }
  | { readonly int: number }
  | { readonly long: number }
  | { readonly float: number }
  | { readonly double: number };

/**
 * `out = alpha · left · right + beta · c`, all row-major: left (m x k), right (k x n), c and out (m x n). Sums are f32, each
 * entry's in an order that depends on the sizes alone. What is transposed lies in memory as (k x m), or as (n x k).
 */
export interface DeviceProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Addresses. */
  readonly left: number;
  readonly right: number;
  readonly out: number;
  /** @default out */
  readonly c?: number;
  readonly transposeLeft?: boolean;
  readonly transposeRight?: boolean;
  /** Of left and right. */
  readonly inputs: 'bf16' | 'f16' | 'f32';
  /** Of c and out. */
  readonly outputs: 'bf16' | 'f32';
  /** @default 1 */
  readonly alpha?: number;
  /** @default 0: what `out` holds is not read */
  readonly beta?: number;
  /** Elements from one row in memory to the next. @default rows lie side by side */
  readonly leftStride?: number;
  readonly rightStride?: number;
  readonly outStride?: number;
  /** How many products there are, @default 1, and elements from the matrices of one to those of the next. */
  readonly batch?: number;
  readonly leftStep?: number;
  readonly rightStep?: number;
  readonly outStep?: number;
}

/**
 * What a statistic, or a stage, may ask of an NVIDIA GPU; `CudaArithmetic` of @esparse/cuda is one. All is carried out in the order in which
 * it was asked for, and only `download` waits for it.
 */
export interface StatisticDevice {
  /** Makes kernels known by their names: of what comes with esparse, its statistics and its solver, or text in PTX. */
  load(module: 'statistics' | 'solve' | { readonly ptx: string }): void;
  /** Memory with anything in it, which begins at a multiple of 256 bytes. @throws EsparseError 'unavailable' where there is no room */
  allocate(bytes: number): DeviceMemory;
  /** Takes memory back; what was asked for before may still use it. */
  release(memory: DeviceMemory): void;
  upload(to: number, from: ArrayBufferView): void;
  /**
   * The same without holding this thread, after what was asked for before; what is asked for next does not wait for it. The array is not to
   * be changed, moved or freed, nor the memory used or released, before it is there. @default it cannot: `upload`
   */
  uploadLater?(to: number, from: ArrayBufferView): Promise<void>;
  /** Fills an array, after all that was asked for before. */
  download(from: number, to: ArrayBufferView): void;
  /** The same without holding this thread; the array is not to be read or moved before. */
  downloadLater(from: number, to: ArrayBufferView): Promise<void>;
  copy(to: number, from: number, bytes: number): void;
  /** Copies from the memory of another one, where it has been written, as the host has seen. @default it cannot: by way of the host */
  copyFrom?(to: number, other: StatisticDevice, from: number, bytes: number): void;
  fill(to: number, byte: number, bytes: number): void;
  /** Multiplies matrices by cuBLASLt; rows and matrices begin at multiples of 16 bytes. */
  multiply(product: DeviceProduct): void;
  launch(
    kernel: string,
    how: {
      readonly grid: readonly [x: number, y?: number, z?: number];
      /** Of a block. */
      readonly threads: number;
      /** Bytes that the kernel asks for when it is launched. @default 0 */
      readonly shared?: number;
    },
    args: readonly DeviceArgument[],
  ): void;
  /**
   * Takes down kernels, products, copies and fills that have been asked for once before, with the same arguments: asked for as one piece
   * they take the host a call. @default each is asked for again
   */
  record?(work: () => void): RecordedWork;
}

/** Work that was taken down, to be asked for again and again as one piece. */
export interface RecordedWork {
  replay(): void;
  release(): void;
}

/** A device whose memory other processes of the machine may read. */
export interface SharingDevice extends StatisticDevice {
  /** What another process opens a piece of memory with, which must stay meanwhile; it is read once it has been written. */
  share(address: number): Uint8Array;
  /** Memory of another process, to be read. @throws EsparseError where the system or the driver does not let this one */
  openShared(handle: Uint8Array): number;
  /** Closes it without holding this thread, once what was asked for before has ended. */
  closeShared(address: number): Promise<void>;
  /** Gives what was released back to the device, for other processes. */
  trim(): void;
}

/** Whole sequences of a tap's activations in a GPU's memory: (rows, channels), row-major, bf16 or f32. */
export interface DeviceTile {
  readonly address: number;
  readonly type: 'f32' | 'bf16';
  /** A multiple of `seqlen`. */
  readonly rows: number;
  /** A multiple of eight. */
  readonly channels: number;
  /** Rows of each sequence. */
  readonly seqlen: number;
  /**
   * The address of the same rows in the dense model, of the same type, for statistics that need them. Not there where both
   * models are the same, as in the first block.
   */
  readonly dense?: number | undefined;
}

/** A state of a statistic while it is in a GPU's memory. */
export interface DeviceFold<Held> {
  /** Asks for a tile's rows to be added. The tile's memory is used again for what is asked for next. */
  update(tile: DeviceTile): void;
  /**
   * Waits, and gives what the state holds on the host: the very same as if its own `update` had seen the tiles, but where
   * the statistic says that its arithmetic is the device's (see `Statistic.pieces`).
   *
   * @throws EsparseError `numeric`, naming the channel, for a value that the statistic cannot hold
   */
  finish(): Held;
  /**
   * A piece of a state that has pieces (see `Statistic.pieces`), once it is finished, by its number.
   *
   * @returns undefined behind the last
   */
  piece?(index: number): Uint8Array | undefined;
  /** As `finish`, where what the state holds is read from the device's memory: see `shares`. @default `finish` itself */
  check?(): void;
  /**
   * Tells where what the state holds will lie in the device's memory, for another process of the machine to open it, and to read it once all
   * is added: its pieces, where it has some, else all of it. Nothing while that is not known.
   *
   * @default it is not read there
   */
  shares?(): readonly number[];
  /** Gives the memory back. */
  release(): void;
}

/** As `Type` in libs/cuda/kernels/block/gpu.cuh: a tile's address and type as arguments of a kernel. */
export function tileArguments({ address, type }: DeviceTile): DeviceArgument[] {
  return [{ pointer: address }, { int: type === 'f32' ? 0 : 1 }];
}

/** Threads of a block, and rows of a piece, of the kernels that read a tile column by column: see `columns.cuh`. */
const COLUMN_THREADS = 64;
const ROWS_AT_ONCE = 32;

/** How a kernel is launched that reads a tile column by column. */
export function byColumns({ rows, channels }: DeviceTile) {
  const grid = [Math.ceil(channels / 8 / COLUMN_THREADS), Math.ceil(rows / ROWS_AT_ONCE)] as const;
  return { grid, threads: COLUMN_THREADS };
}

/** How a kernel is launched that has a thread for each channel. */
export function byChannels(channels: number) {
  return { grid: [Math.ceil(channels / 128)] as const, threads: 128 };
}

/** Pieces of a GPU's memory that live together: where there is no room for one of them, all go back. */
export function deviceArrays(device: Pick<StatisticDevice, 'allocate' | 'release' | 'upload' | 'fill'>) {
  const all: DeviceMemory[] = [];
  const release = () => {
    for (const memory of all.splice(0)) device.release(memory);
  };
  const take = (bytes: number): DeviceMemory => {
    try {
      const memory = device.allocate(bytes);
      all.push(memory);
      return memory;
    } catch (error) {
      release();
      throw error;
    }
  };
  const of = (values: ArrayBufferView): number => {
    const { address } = take(values.byteLength);
    device.upload(address, values);
    return address;
  };
  return {
    /** Anything. */
    bytes: (count: number): number => take(count).address,
    /** Zeros. */
    zeros(count: number): number {
      const { address, bytes } = take(count);
      device.fill(address, 0, bytes);
      return address;
    },
    /** A copy of an array. */
    of,
    /** Where kernels note the first channel that they refuse: none so far. */
    refusal: (): number => of(Int32Array.of(NONE)),
    release,
  };
}

/** A piece of a device's memory that holds a copy. */
export interface HeldCopy {
  readonly address: number;
  readonly release: () => void;
}

/** A copy of what lies at an address, which has been read when this settles. @throws EsparseError where there is no room */
export async function heldCopy(device: StatisticDevice, from: number, bytes: number): Promise<HeldCopy> {
  const arrays = deviceArrays(device);
  const address = arrays.bytes(bytes);
  try {
    device.copy(address, from, bytes);
    await device.downloadLater(address, new Uint8Array(8));
    return { address, release: arrays.release };
  } catch (error) {
    arrays.release();
    throw error;
  }
}

/** Whether an error says that a GPU, which is still there, has no room. */
export function lacksDeviceMemory(error: unknown): boolean {
  return isEsparseError(error) && error.kind === 'unavailable' && error.context.device !== 'lost';
}

/** No channel: greater than any. */
const NONE = 0x7fffffff;

/** The channel that kernels have refused, if there is one. */
export function refusedOf(device: StatisticDevice, refusal: number): number | undefined {
  const first = new Int32Array(1);
  device.download(refusal, first);
  return first[0] === NONE ? undefined : first[0];
}
