/** A share of two digits behind the point: 56.25 %. */
export function percentInWords(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** `down_proj of block 3`: a linear as sentences name it. */
export function linearInWords(block: number, linear: string): string {
  return `${linear} of block ${block}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listInWords(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
}
