/** Logits that are in memory at once. */
const MAX_LOGITS_BYTES = 64 << 20;

/** Tokens of a step after which the logits of a whole vocabulary may be wanted. */
export function rowsAtOnce(vocab: number): number {
  return Math.max(1, Math.floor(MAX_LOGITS_BYTES / (4 * vocab)));
}
