/** A thread or process runs built JavaScript, also where the one that starts it is run from its source (in tests). */
export function builtScript(name: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../dist/' : './';
  return new URL(`${folder}${name}.js`, import.meta.url);
}
