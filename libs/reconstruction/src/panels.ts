/** Channels of a panel: wide enough for matrix products at full speed, and a tile of sums takes 16 MiB. */
export const PANEL = 1024;

/** Consecutive channels. */
export interface Panel {
  readonly first: number;
  readonly width: number;
}

/** Cuts channels into panels. It depends on their number alone, and so do the bits of whatever is computed by panels. */
export function panelsOf(channels: number, width = PANEL): Panel[] {
  return Array.from({ length: Math.ceil(channels / width) }, (_, i) => ({
    first: i * width,
    width: Math.min(width, channels - i * width),
  }));
}
