/** Where the parts of a block stand in its group. */

/** A tensor of a block that stays dense, by its name in the checkpoint. */
export function densePath(tensor: string): string {
  return `dense/${tensor}`;
}

/** A statistic of a tap's channels. */
export function statisticPath(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}

/** The mean score of each channel of a linear, where figures of it were taken. */
export function meanScorePath(linear: string): string {
  return `${linear}/mean_score`;
}
