import type { PruneEvent } from '@esparse/pruner';
import { reportInWords } from '../report-in-words.ts';

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
        `block ${event.block}: experts that saw fewer than ${event.threshold} tokens are pruned by the statistics of all: ` +
        namesOf(event.starved)
      );
    case 'stage':
      return `block ${event.block}: ${event.stage}: ${reportInWords(event.report)}`;
    case 'note':
    case 'retry':
      return event.message;
    case 'progress':
    case 'linear':
    case 'finished':
    case 'phase':
    case 'operators':
    case 'workers':
      return undefined;
  }
}

/** Experts that a line names, at most: the events and the store have all of them. */
const MAX_NAMED = 8;

function namesOf(experts: readonly { readonly expert: number; readonly tokens: number }[]): string {
  const names = experts.slice(0, MAX_NAMED).map(({ expert, tokens }) => `${expert} (${tokens})`);
  const more = experts.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
