import { EsparseError, isEsparseError } from '@esparse/errors';
import type {
  DeviceArgument,
  DeviceMemory,
  DeviceProduct,
  RecordedWork,
  StatisticDevice,
} from '@esparse/statistics';
import { calling, callingLater, loadAddon, type NativeArithmetic } from './addon.ts';
import type { CommonFacts } from './decoder.ts';
import { readPtx } from './read-ptx.ts';
import { requireLaunchable } from './require-launchable.ts';

/** Modules of kernels that come with esparse. */
export type KernelModule = 'block' | 'statistics' | 'solve' | 'tune';

/** How a kernel is launched. */
export interface Launch {
  /** Blocks of threads, by x, y and z. @default 1 each */
  readonly grid: readonly [x: number, y?: number, z?: number];
  /** Threads of a block. */
  readonly threads: number;
  /** Bytes of shared memory that the kernel asks for when it is launched. @default 0 */
  readonly shared?: number;
}

/** See `DeviceProduct` of @esparse/statistics. */
export type Product = DeviceProduct;

/** What is known of a GPU, and of the library that multiplies there; `freeBytes` are those of now. */
export interface ArithmeticFacts extends CommonFacts {
  /** Bytes of it that are held here, those among them that wait to be used again. */
  readonly heldBytes: number;
  /** The version of cuBLASLt. */
  readonly cublaslt: number;
}

/**
 * GPUs that the driver shows.
 *
 * @throws EsparseError 'unsupported' where there is no driver, or none
 */
export function gpuCount(): number {
  return calling(() => loadAddon().gpuCount());
}

/** Memory that is held for speed alone. */
export interface HeldForSpeed {
  readonly bytes: () => number;
  /** Releases all of it. */
  readonly giveUp: () => void;
}

/** Sizes are rounded up to this: what is used again is found by its size. */
export const GRANULE = 512;

/**
 * A GPU's memory, kernels and matrix products, for whatever is composed here. Calls are carried out in order and none waits
 * for the GPU but `download` and `wait`, which hold the calling thread. All calls come from one thread.
 *
 * @example
 * const gpu = CudaArithmetic.open();
 * gpu.load('block');
 * const values = gpu.allocate(4 * 1024);
 * gpu.upload(values.address, new Float32Array(1024).fill(3));
 * gpu.launch('scale_elements', { grid: [1], threads: 128 }, [...]);
 */
export class CudaArithmetic {
  readonly #native: NativeArithmetic;
  readonly #loaded = new Set<string>();
  /** Memory that was released, by its size. Work that still uses it comes before whatever is done with it next. */
  readonly #spare = new Map<number, DeviceMemory[]>();
  /** All that are open on one GPU beside each other, this one among them. */
  readonly #beside: Set<CudaArithmetic>;
  #forSpeed: HeldForSpeed | undefined;

  private constructor(native: NativeArithmetic, beside: Set<CudaArithmetic>) {
    this.#native = native;
    this.#beside = beside.add(this);
  }

  /**
   * @param ordinal of the GPU, among those that the driver shows. @default 0
   * @param beside - another one of the same GPU, whose work goes on meanwhile: where one finds no room both give back what they do not use
   * @throws EsparseError 'unsupported' where there is no driver, or no GPU that the kernels run on; 'usage' for its
   * number, and where there is no cuBLASLt
   */
  static open(ordinal = 0, beside?: CudaArithmetic): CudaArithmetic {
    const { CudaArithmetic: Native } = loadAddon();
    return new CudaArithmetic(
      calling(() => new Native(ordinal)),
      beside === undefined ? new Set() : beside.#beside,
    );
  }

  get facts(): ArithmeticFacts {
    return calling(() => this.#native.facts());
  }

  /** Makes the kernels of a module known by their names: one that comes with esparse, or the text of other PTX. */
  load(module: KernelModule | { readonly ptx: string }): void {
    const text = typeof module === 'string' ? undefined : module.ptx;
    const key = text ?? (module as KernelModule);
    if (this.#loaded.has(key)) return;
    const ptx = text ?? readPtx(key);
    calling(() => {
      this.#native.load(ptx);
    });
    this.#loaded.add(key);
  }

  /**
   * Memory, with anything in it. `release` gives it back for later use.
   *
   * @throws EsparseError 'unavailable' where the GPU has no room
   */
  allocate(bytes: number): DeviceMemory {
    const size = Math.max(GRANULE, Math.ceil(bytes / GRANULE) * GRANULE);
    const spare = this.#spare.get(size)?.pop();
    if (spare !== undefined) return spare;
    try {
      return { address: calling(() => this.#native.allocate(size)), bytes: size };
    } catch (error) {
      if (!isEsparseError(error) || error.kind !== 'unavailable') throw error;
      this.#forSpeed?.giveUp();
      if ([...this.#beside].every((each) => each.#spare.size === 0)) throw error;
      for (const each of this.#beside) each.trim();
      return { address: calling(() => this.#native.allocate(size)), bytes: size };
    }
  }

  /** Takes memory back. What was asked for before may still use it. */
  release(memory: DeviceMemory): void {
    const spare = this.#spare.get(memory.bytes);
    if (spare === undefined) this.#spare.set(memory.bytes, [memory]);
    else spare.push(memory);
  }

  /** Says what is held for speed alone: it is given up where there is no room for something else. */
  whenShort(held: HeldForSpeed): void {
    this.#forSpeed = held;
  }

  /** Bytes that can be had: free ones, and those that are held for speed alone. */
  roomBytes(): number {
    this.trim();
    return this.facts.freeBytes + (this.#forSpeed?.bytes() ?? 0);
  }

  /** Gives up what is held for speed alone where fewer bytes are free: what is there then stays, as long as no more are taken. */
  makeRoom(bytes: number): void {
    this.trim();
    if (this.facts.freeBytes < bytes) this.#forSpeed?.giveUp();
    this.trim();
  }

  /** Gives what was released back to the GPU. */
  trim(): void {
    for (const pieces of this.#spare.values()) {
      for (const { address } of pieces)
        calling(() => {
          this.#native.free(address);
        });
    }
    this.#spare.clear();
  }

  /** Copies an array to the GPU. It may be changed once this returns. */
  upload(to: number, from: ArrayBufferView): void {
    calling(() => {
      this.#native.upload(to, from);
    });
  }

  /**
   * The same without holding this thread, after what was asked for before; what is asked for next does not wait for it. The array is not to
   * be changed, moved or freed, nor the memory used or released, before it is there.
   */
  uploadLater(to: number, from: ArrayBufferView): Promise<void> {
    return callingLater(() => this.#native.uploadLater(to, from));
  }

  /** Fills an array with what lies at an address, after all that was asked for before: waits for it. */
  download(from: number, to: ArrayBufferView): void {
    calling(() => {
      this.#native.download(from, to);
    });
  }

  /**
   * The same without holding this thread: what comes after it may be asked for meanwhile, the memory that it comes from be released.
   * The array is not to be read or moved before.
   */
  downloadLater(from: number, to: ArrayBufferView): Promise<void> {
    return callingLater(() => this.#native.downloadLater(from, to));
  }

  /** The same beside what comes after it: the memory that it comes from is not to be written to, or released, before. */
  downloadBeside(from: number, to: ArrayBufferView): Promise<void> {
    return callingLater(() => this.#native.downloadBeside(from, to));
  }

  copy(to: number, from: number, bytes: number): void {
    calling(() => {
      this.#native.copy(to, from, bytes);
    });
  }

  /**
   * The same from the memory of another GPU, or of another one of these on the same, before what is asked for there next. It does not wait
   * for what was asked for there before: it must have been written, as this process has seen.
   */
  copyFrom(to: number, other: StatisticDevice, from: number, bytes: number): void {
    if (!(other instanceof CudaArithmetic)) throw new EsparseError('internal', 'a copy from no GPU');
    calling(() => {
      this.#native.copyFrom(to, other.#native, from, bytes);
    });
  }

  fill(to: number, byte: number, bytes: number): void {
    calling(() => {
      this.#native.fill(to, byte, bytes);
    });
  }

  /** What another process of this machine opens a piece of memory with, which must stay meanwhile; it is read once it has been written. */
  share(address: number): Uint8Array {
    return calling(() => this.#native.share(address));
  }

  /** Memory of another process, to be read. @throws EsparseError where the system or the driver does not let this one */
  openShared(handle: Uint8Array): number {
    return calling(() => this.#native.openShared(handle));
  }

  /** Closes it without holding this thread, once what was asked for before has ended. */
  closeShared(address: number): Promise<void> {
    return callingLater(() => this.#native.closeShared(address));
  }

  /** Launches a kernel of a module that is loaded. What its arguments mean is between its source and the caller. */
  launch(kernel: string, how: Launch, args: readonly DeviceArgument[]): void {
    requireLaunchable(kernel, how, args);
    const { grid, threads, shared = 0 } = how;
    const [x, y = 1, z = 1] = grid;
    let types = '';
    const values: number[] = [];
    for (const argument of args) {
      const [[kind, value]] = Object.entries(argument) as [[keyof typeof LETTERS, number]];
      types += LETTERS[kind];
      values.push(value);
    }
    calling(() => {
      this.#native.launch(kernel, x, y, z, threads, shared, types, values);
    });
  }

  multiply(product: Product): void {
    calling(() => {
      this.#native.multiply(product);
    });
  }

  /**
   * Takes down what some work asks for, which is not computed then, so that it can be asked for again and again as one piece: that
   * spares the host a call for each kernel. The work is kernels, products, copies and fills, with the same arguments each time, and
   * has been done once before. Where the driver does not record, each replay is the work itself.
   */
  record(work: () => void): RecordedWork {
    if (!calling(() => this.#native.beginRecording())) return { replay: work, release: () => undefined };
    try {
      work();
    } catch (error) {
      this.#native.forget(calling(() => this.#native.endRecording()));
      throw error;
    }
    const number = calling(() => this.#native.endRecording());
    return {
      replay: () => {
        calling(() => {
          this.#native.replay(number);
        });
      },
      release: () => {
        calling(() => {
          this.#native.forget(number);
        });
      },
    };
  }

  /** Waits for all that was asked for. @throws EsparseError 'unavailable' where the GPU is lost */
  wait(): void {
    calling(() => {
      this.#native.wait();
    });
  }

  /** Frees everything. */
  close(): void {
    this.#beside.delete(this);
    this.#native.close();
  }
}

/** What blocks are run by: a GPU, or what stands in for one. */
export type Gpu = Pick<
  CudaArithmetic,
  | 'facts'
  | 'load'
  | 'allocate'
  | 'release'
  | 'trim'
  | 'upload'
  | 'uploadLater'
  | 'download'
  | 'downloadLater'
  | 'downloadBeside'
  | 'share'
  | 'copy'
  | 'fill'
  | 'launch'
  | 'multiply'
  | 'wait'
>;

/** Names a GPU, its driver and its library: equal ids give equal bits. */
export function arithmeticId({ facts: { name, driverVersion, cublaslt } }: Pick<Gpu, 'facts'>): string {
  return `cuda/${name.replace(/\s+/g, '-')}/driver-${driverVersion}/cublaslt-${cublaslt}`;
}

const LETTERS = { pointer: 'p', int: 'i', long: 'l', float: 'f', double: 'd' } as const;
