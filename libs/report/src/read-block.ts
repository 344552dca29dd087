import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import { tapsOf, linearsOf, type AnyModel } from '@esparse/model';
import {
  inspectBlock,
  linearAttributesOf,
  meanScorePath,
  readLinear,
  statisticPath,
  type LinearInspection,
} from '@esparse/model-store';
import type { BlockData, ChannelImportance, LinearData, TapData } from '@esparse/report-page';
import {
  isPermutation,
  keepsEverything,
  ownPositions,
  packedIndicesAt,
  packedIndicesOf,
  packedShapes,
  QUANTIZED,
  type OwnLinear,
} from '@esparse/sparsity';
import type { CommittedGroup, Run } from '@esparse/store';
import type { Attachment } from './attachment.ts';
import type { Detail } from './detail.ts';
import type { Excerpts } from './excerpts.ts';
import { keptByPosition, TILE_ROWS, type Indices } from './kept-positions.ts';
import { maskRows } from './mask-rows.ts';
import { shownChannels } from './shown-channels.ts';

/** What a block is read into, and how much of it. */
export interface BlockReading {
  readonly run: Run;
  readonly description: AnyModel;
  readonly attachment: Attachment;
  /** Collects the tokens that the page shows. */
  readonly excerpts: Excerpts;
  readonly importance: ChannelImportance;
  readonly detail: Detail;
  readonly signal: AbortSignal | undefined;
  /** Called with what is damaged, in a sentence. */
  readonly onDamage: (what: string) => void;
}

/** Reads a committed block: what is damaged is left out, and said. */
export async function readBlock(reading: BlockReading, block: number): Promise<BlockData> {
  const { run, description, detail } = reading;
  const opened = await unlessDamaged(reading.onDamage, async () => {
    const group = await run.block(block);
    return { group, linears: inspectBlock(group, description, block).linears };
  });
  if (opened === undefined) return { block, state: 'damaged', linears: [], taps: [] };
  const { group } = opened;
  const linears: LinearData[] = [];
  for (const inspection of opened.linears) {
    const { tap } = linearsOf(description, block).find(({ name }) => name === inspection.name)!;
    const arrays = detail.covers(block)
      ? await unlessDamaged(reading.onDamage, () => linearArrays(reading, group, block, inspection))
      : undefined;
    linears.push({ ...figuresOf(group, inspection, tap), ...arrays });
  }
  const taps: TapData[] = [];
  for (const { name, channels } of tapsOf(description, block)) {
    const arrays = detail.covers(block)
      ? await unlessDamaged(reading.onDamage, () => tapArrays(reading, group, name, channels))
      : undefined;
    taps.push({ name, channels, ...arrays });
  }
  const { inputError } = group.attributes;
  return {
    ...{ block, state: 'committed', linears, taps },
    ...(typeof inputError === 'number' && Number.isFinite(inputError) && { inputError }),
  };
}

/** What `work` gives; nothing where it meets damage, which is reported. */
export async function unlessDamaged<T>(
  onDamage: BlockReading['onDamage'],
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isEsparseError(error) || error.kind !== 'store') throw error;
    onDamage(messageOf(error));
    return undefined;
  }
}

function figuresOf(
  group: CommittedGroup,
  { name, rows, cols, bytes, permutationBytes, keptScore }: LinearInspection,
  tap: string,
): LinearData {
  const { keep, group: size, figures, outputError } = linearAttributesOf(group, name) ?? {};
  return {
    ...{ name, tap, rows, cols, bytes, permutationBytes },
    ...(keep !== undefined && size !== undefined && { pattern: { keep, group: size } }),
    ...(keptScore && { keptScore }),
    ...(figures && { totalScore: figures.totalScore }),
    ...(outputError !== undefined && { outputError }),
  };
}

/** Shares of channels, order and rows of the mask of a packed linear: its indices are read, its weights are not. */
async function linearArrays(
  { attachment, detail, signal, run }: BlockReading,
  group: CommittedGroup,
  block: number,
  { name }: LinearInspection,
): Promise<Pick<LinearData, 'keptShare' | 'permutation' | 'meanScore' | 'mask'>> {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined || keepsEverything(attributes)) return {};
  const { data: permutation } = await group.readAs(`${name}/permutation`, 'int32', signal);
  const { rows, cols } = attributes;
  const where = `run ${run.fingerprint}, block ${block}: ${name}`;
  if (!isPermutation(permutation, cols)) {
    throw new EsparseError('store', `${where}: its order does not name each channel once`);
  }
  const { encoding } = packedShapes(attributes, rows, cols);
  const bytes = await packedIndices(group, name, attributes, signal);
  const indices: Indices = { ...attributes, encoding, bytes };
  const kept = keptByPosition(indices, where);
  const share = new Uint8Array(cols);
  permutation.forEach((channel, position) => (share[channel] = Math.round((255 * kept[position]!) / rows)));
  const meanScore = await vectorAt(group, meanScorePath(name), cols, signal);
  const tiles = detail.tilesOf(block, name, Math.ceil(rows / TILE_ROWS));
  return {
    keptShare: attachment.add(share),
    permutation: attachment.addOrder(permutation),
    ...(meanScore && { meanScore: attachment.addLogLevels(meanScore) }),
    mask: { tiles: tiles.map((tile) => tile * TILE_ROWS), bits: attachment.add(maskRows(indices, tiles)) },
  };
}

/** Where its survivors stand, whatever its encoding, in the form of packed ones. */
async function packedIndices(
  group: CommittedGroup,
  name: string,
  attributes: NonNullable<ReturnType<typeof linearAttributesOf>>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (attributes.encoding.startsWith('x-')) {
    const linear = await readLinear(group, name, signal);
    return packedIndicesAt(attributes, ownPositions(linear as OwnLinear));
  }
  const { data } = await group.readAs(`${name}/indices`, 'uint8', signal);
  return attributes.encoding === QUANTIZED ? packedIndicesOf(attributes, data) : data;
}

/** A tap's statistics of the names that the page knows. */
async function tapArrays(
  { attachment, excerpts, importance, detail, signal }: BlockReading,
  group: CommittedGroup,
  tap: string,
  channels: number,
): Promise<Pick<TapData, 'entropy' | 'amplitude' | 'shown'>> {
  const read = (statistic: string) => vectorAt(group, statisticPath(tap, statistic), channels, signal);
  const entropy = await read('entropy');
  const amplitude = await read('amplitude');
  const alpha = importance.by === 'entropy and amplitude' ? importance.alpha : 1;
  const shown = await shownChannels(
    group,
    tap,
    { attachment, excerpts, most: detail.channelsOf(channels), signal },
    { entropy, amplitude, alpha },
  );
  return {
    ...(entropy && { entropy: attachment.addLevels(entropy) }),
    ...(amplitude && { amplitude: attachment.addLogLevels(amplitude) }),
    ...(shown && { shown }),
  };
}

/** An array of so many numbers; nothing where there is none. */
async function vectorAt(
  group: CommittedGroup,
  path: string,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array | undefined> {
  const info = group.arrays.get(path);
  if (info?.dtype !== 'float32' || info.shape.length !== 1 || info.shape[0] !== length) return undefined;
  return (await group.readAs(path, 'float32', signal)).data;
}
