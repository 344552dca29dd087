import type { Command, Option } from 'commander';
import { distance } from 'fastest-levenshtein';

/** Edits between a misspelt option and its neighbour at most, and the share of its letters. */
const MAX_EDITS = 3;
const MAX_EDITED_SHARE = 0.5;

/**
 * Makes a command report an option that it does not know before one that is missing, since a misspelt option is both, and
 * name the option that was probably meant.
 */
export function reportUnknownOptionsFirst(command: Command): void {
  const needed = command.options.filter(({ mandatory }) => mandatory);
  for (const option of needed) option.makeOptionMandatory(false);
  // Commander has refused unknown options by then.
  command.hook('preAction', () => {
    const missing = needed.find((option) => command.getOptionValue(option.attributeName()) === undefined);
    if (missing !== undefined) command.error(`error: ${missingOption(missing)}`);
  });
  const known = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
  command.showSuggestionAfterError(false).configureOutput({
    outputError: (text, write) => {
      write(text + suggestion(text, known));
    },
  });
}

function missingOption({ flags, envVar }: Option): string {
  const variable = envVar === undefined ? '' : `, nor its variable ${envVar}`;
  return `required option '${flags}' not specified${variable}`;
}

/** A line to follow commander's message about an unknown option; nothing after any other. */
function suggestion(message: string, known: readonly string[]): string {
  const [, flag] = /^error: unknown option '(--[^=']+)/.exec(message) ?? [];
  const meant = flag === undefined ? [] : neighboursOf(flag, known);
  return meant.length === 0 ? '' : `(Did you mean ${meant.join(' or ')}?)\n`;
}

/** What was probably meant: the options that begin so, else those with the fewest letters changed. */
export function neighboursOf(flag: string, known: readonly string[]): string[] {
  const begin = known.filter((option) => option.startsWith(flag));
  if (begin.length > 0) return begin;
  const edits = known.map((option) => distance(flag, option));
  const fewest = Math.min(MAX_EDITS, MAX_EDITED_SHARE * (flag.length - 2), ...edits);
  return known.filter((_, i) => edits[i]! <= fewest);
}
