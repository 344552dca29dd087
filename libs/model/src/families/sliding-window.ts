import type { FamilyDescription } from '../define-family.ts';

/**
 * A model whose attention looks back over a window only. Within the window that is full attention: sequences up to its
 * length are exact, and longer ones are refused.
 * @param window tokens; null where attention is full
 */
export function withinWindow(description: FamilyDescription, window: number | null): FamilyDescription {
  if (window === null) return description;
  return { ...description, maxPositions: Math.min(description.maxPositions, window) };
}
