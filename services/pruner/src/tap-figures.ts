import type { TapReadings } from '@esparse/dataflow';
import { tapFigurePath } from '@esparse/model-store';
import {
  channelHistograms,
  channelTopTokens,
  HISTOGRAM_BINS,
  TOP_TOKENS,
  type ChannelHistograms,
  type StatisticReader,
  type TopTokens,
} from '@esparse/statistics';
import type { Transaction } from '@esparse/store';

/** Whether a reading is one that is kept for a report alone. */
export function isFigure(reader: StatisticReader): boolean {
  return reader === channelHistograms || reader === channelTopTokens;
}

/** Writes what was read of a tap for a report, where it was. */
export async function writeTapFigures(
  transaction: Transaction,
  tap: string,
  readings: TapReadings,
): Promise<void> {
  const histograms = readings.get(channelHistograms) as ChannelHistograms | undefined;
  if (histograms !== undefined) {
    const channels = histograms.shares.length / HISTOGRAM_BINS;
    const shape = [channels, HISTOGRAM_BINS];
    await transaction.putArray(tapFigurePath(tap, 'histogram'), { data: histograms.shares, shape });
    await transaction.putArray(tapFigurePath(tap, 'range'), {
      data: histograms.ranges,
      shape: [2, channels],
    });
  }
  const top = readings.get(channelTopTokens) as TopTokens | undefined;
  if (top !== undefined) {
    const shape = [top.tokens.length / TOP_TOKENS, TOP_TOKENS];
    await transaction.putArray(tapFigurePath(tap, 'top_tokens'), { data: top.tokens, shape });
    await transaction.putArray(tapFigurePath(tap, 'top_values'), { data: top.values, shape });
  }
}
