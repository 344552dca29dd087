import type { SharingDevice } from '@esparse/statistics';

/** How the pruner gets at what a worker of the same machine has in its GPU: there, as long as that works. */
export interface Sharing {
  readonly device: SharingDevice;
  /** Whether pieces are asked to stay there. */
  works: boolean;
}

/** Nothing is shared with workers that others started: what these share, they must keep until the pruner has read it. */
export function sharingWith(device: SharingDevice | undefined, startsWorkers: boolean): Sharing | undefined {
  return device !== undefined && startsWorkers ? { device, works: true } : undefined;
}
