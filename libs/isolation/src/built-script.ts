/**
 * The script of a thread or process, which lies beside the module that starts it. It is built JavaScript, also where that
 * module is run from its source (in tests).
 *
 * @param from `import.meta.url` of that module
 * @param name the script's path from there, without its extension
 */
export function builtScript(from: string, name: string): URL {
  const beside = from.endsWith('.ts') ? from.replace(/\/src\/(?!.*\/src\/)/, '/dist/') : from;
  return new URL(`./${name}.js`, beside);
}
