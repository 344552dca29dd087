import type { ModelDescription } from '../description.ts';

/**
 * A model whose attention looks back over a window only. Within the window that is full attention: sequences up to its
 * length are exact, and longer ones are refused.
 * @param window tokens; null where attention is full
 */
export function withinWindow(description: ModelDescription, window: number | null): ModelDescription {
  if (window === null) return description;
  return { ...description, maxPositions: Math.min(description.maxPositions, window) };
}
