import type { PruneEvent } from '@esparse/pruner';

/** An event as a line of text that stays; the steps within a phase have none. */
export function lineOf(event: PruneEvent): string | undefined {
  switch (event.event) {
    case 'started':
      return (
        `run ${event.run}: ${event.family} ${event.model}, ${event.blocks} blocks, ${event.pipeline} ` +
        `${event.pattern}, shuffle ${event.shuffle}, ${event.samples} x ${event.seqlen} tokens`
      );
    case 'committed':
      return `block ${event.block}/${event.blocks} committed after ${event.seconds.toFixed(1)} s`;
    case 'experts':
      return (
        `block ${event.block}: ${event.starved.length} experts saw fewer than ${event.threshold} tokens, and are pruned by the ` +
        `statistics of all: ${event.starved.map(({ expert, tokens }) => `${expert} (${tokens})`).join(', ')}`
      );
    case 'note':
    case 'retry':
      return event.message;
    case 'progress':
    case 'linear':
    case 'finished':
      return undefined;
  }
}
