import { entropyHistograms, type EntropyHistograms } from '@esparse/kernels';
import { byChannels, deviceArrays, heldCopy, type HeldCopy, type StatisticDevice } from './device.ts';
import { histogramPlaces } from './histogram-places.ts';

/** Bytes of masses that are made at once, at most. */
const MASS_BYTES = 16 * 2 ** 20;
/** Threads of a block that has one for each channel, each of which reads 20 KB: as few as there can be, on all processors. */
const READING_THREADS = 32;
/** Threads of a block that has a channel. */
const MERGING_THREADS = 256;

/** Histograms of each channel that lie in the memory of this process's own device; all that is read of them has the processor's bits. */
export class HeldHistograms {
  /** Rows in them. */
  counted: number;
  readonly channels: number;
  readonly release: () => void;
  readonly #device: StatisticDevice;
  readonly #base: number;
  readonly #places: ReturnType<typeof histogramPlaces>;

  private constructor(
    device: StatisticDevice,
    { address, release }: HeldCopy,
    channels: number,
    counted: number,
  ) {
    device.load('statistics');
    this.#device = device;
    this.#base = address;
    this.release = release;
    this.#places = histogramPlaces(channels);
    this.channels = channels;
    this.counted = counted;
  }

  /**
   * A copy of what lies at an address, which has been read when this settles.
   *
   * @throws EsparseError where there is no room
   */
  static async copied(
    device: StatisticDevice,
    from: number,
    channels: number,
    counted: number,
  ): Promise<HeldHistograms> {
    const copy = await heldCopy(device, from, histogramPlaces(channels).bytes);
    return new HeldHistograms(device, copy, channels, counted);
  }

  /** Adds what others of the same device and channels have counted; these stay as they are. */
  merge(other: HeldHistograms): void {
    const { channels, counted } = other;
    if (counted === 0) return;
    if (this.counted === 0) this.#device.copy(this.#base, other.#base, this.#places.bytes);
    else
      this.#device.launch('entropy_merge', { grid: [channels], threads: MERGING_THREADS }, [
        ...this.#pointers(),
        ...other.#pointers(),
        { int: channels },
      ]);
    this.counted += counted;
  }

  /** Of each channel, the least value and, behind all of these, the greatest: (2, channels). */
  ranges(): Float32Array {
    const ranges = new Float32Array(2 * this.channels);
    if (this.counted === 0) return ranges.fill(Infinity, 0, this.channels).fill(-Infinity, this.channels);
    this.#device.download(this.#base + this.#places.ranges, ranges);
    return ranges;
  }

  /** As `entropyFinish` of @esparse/kernels. @throws EsparseError where there is no room */
  async entropies(bounds: Float32Array, tokens: number, bins: number): Promise<Float32Array> {
    const entropies = new Float32Array(this.channels);
    const arrays = deviceArrays(this.#device);
    try {
      const out = arrays.bytes(entropies.byteLength);
      this.#eachPart(bounds, bins, (masses, first, count) => {
        this.#device.launch('entropy_of_masses', byChannels(count), [
          ...[{ pointer: masses }, { double: tokens }, { int: count }, { int: bins }],
          { pointer: out + 4 * first },
        ]);
      });
      await this.#device.downloadLater(out, entropies);
    } finally {
      arrays.release();
    }
    return entropies;
  }

  /** As `entropyMasses` of @esparse/kernels. @throws EsparseError where there is no room */
  masses(bins: number): Float32Array {
    const all = new Float32Array(this.channels * bins);
    const ranges = this.ranges();
    this.#eachPart(ranges, bins, (masses, first, count) => {
      const part = new Float64Array(bins * count);
      this.#device.download(masses, part);
      for (let at = 0; at < count; at++)
        for (let k = 0; k < bins; k++) all[(first + at) * bins + k] = part[k * count + at]!;
    });
    for (let c = 0; c < this.channels; c++)
      if (!(ranges[c]! < ranges[this.channels + c]!)) all[c * bins] = this.counted;
    return all;
  }

  /** The same in this process's own memory. */
  onHost(): EntropyHistograms {
    const histograms = entropyHistograms(this.channels);
    if (this.counted === 0) return histograms;
    for (const part of ['ranges', 'zeros', 'bins'] as const)
      this.#device.download(this.#base + this.#places[part], histograms[part]);
    histograms.counted = this.counted;
    return histograms;
  }

  #pointers() {
    return (['ranges', 'zeros', 'bins'] as const).map((part) => ({
      pointer: this.#base + this.#places[part],
    }));
  }

  /** Makes masses, (bins, channels), of some channels after the others. */
  #eachPart(
    bounds: Float32Array,
    bins: number,
    use: (masses: number, first: number, count: number) => void,
  ): void {
    const { channels } = this;
    const atOnce = Math.min(channels, Math.max(1, Math.floor(MASS_BYTES / (8 * bins))));
    const arrays = deviceArrays(this.#device);
    try {
      const [given, masses] = [arrays.of(bounds), arrays.bytes(8 * bins * atOnce)];
      for (let first = 0; first < channels; first += atOnce) {
        const count = Math.min(atOnce, channels - first);
        const how = { grid: [Math.ceil(count / READING_THREADS)] as const, threads: READING_THREADS };
        this.#device.launch('entropy_masses', how, [
          ...[...this.#pointers(), { pointer: given }, { int: channels }, { int: first }, { int: count }],
          ...[{ int: bins }, { pointer: masses }],
        ]);
        use(masses, first, count);
      }
    } finally {
      arrays.release();
    }
  }
}
