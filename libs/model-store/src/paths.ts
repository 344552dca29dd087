/** Where the parts of a block stand in its group. */

/** A tensor of a block that stays dense, by its name in the checkpoint. */
export function densePath(tensor: string): string {
  return `dense/${tensor}`;
}

/** A statistic of a tap's channels. */
export function statisticPath(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}

/** A figure of a tap's channels that was taken for a report: see docs/store-format.md. */
export function tapFigurePath(
  tap: string,
  figure: 'histogram' | 'range' | 'top_tokens' | 'top_values',
): string {
  return `figures/${tap}/${figure}`;
}

/** The calibration's tokens among the arrays outside the blocks, where they were kept for a report. */
export const CALIBRATION_PATH = 'figures/calibration';

/** The mean score of each channel of a linear, where figures of it were taken. */
export function meanScorePath(linear: string): string {
  return `${linear}/mean_score`;
}
