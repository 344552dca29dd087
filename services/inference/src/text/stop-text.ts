/** Text that passes through until a stop string is complete. */
export interface StopText {
  /** What may be given out: it can be no part of a stop string any more. Nothing comes after `stopped`. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What was held back, where the text ends without a stop string. */
  end(): string;
}

/**
 * Cuts a text exactly before the first stop string that is completed in it; of two completed by the same character the
 * one that began first. What it gives does not depend on the pieces in which the text comes.
 */
export function createStopText(stops: readonly string[]): StopText {
  let held = '';
  return {
    push(text) {
      const all = held + text;
      const cut = firstStop(all, stops);
      if (cut !== undefined) {
        held = '';
        return { text: all.slice(0, cut), stopped: true };
      }
      const keep = heldBack(all, stops);
      held = all.slice(all.length - keep);
      return { text: all.slice(0, all.length - keep), stopped: false };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Where the stop string begins that is complete first. */
function firstStop(text: string, stops: readonly string[]): number | undefined {
  let cut: number | undefined;
  let soonest = Infinity;
  for (const stop of stops) {
    const begin = text.indexOf(stop);
    if (begin < 0) continue;
    const end = begin + stop.length;
    if (end < soonest || (end === soonest && begin < cut!)) [cut, soonest] = [begin, end];
  }
  return cut;
}

/** Length of the longest end of a text with which a stop string begins. */
function heldBack(text: string, stops: readonly string[]): number {
  let most = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > most; length--) {
      if (text.endsWith(stop.slice(0, length))) most = length;
    }
  }
  return most;
}
