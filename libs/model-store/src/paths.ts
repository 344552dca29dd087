/** Where the parts of a block stand in its group. */

/** A tensor of a block that stays dense, by its name in the checkpoint. */
export function densePath(tensor: string): string {
  return `dense/${tensor}`;
}

/** A statistic of a tap's channels. */
export function statisticPath(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}
