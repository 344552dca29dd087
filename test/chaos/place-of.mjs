/** Which part of a store an object or folder lies in, by its path in the store; a temporary file lies where its object will. */
export function placeOf(relative) {
  const [top, , part, ...below] = relative.split('/');
  if (/\.esparse-(writer|probe)/.test(relative)) return 'lock';
  if (top !== 'runs') return 'root';
  if (part === undefined) return 'runs';
  if (part === 'blocks') return below.length > 2 ? 'array' : below.length === 2 ? 'block' : 'blocks';
  if (part === 'dense') return below.length > 1 ? 'array' : 'dense';
  return ['hidden', 'hidden-dense', 'drafts', 'tokenizer'].includes(part) ? part : 'run';
}
