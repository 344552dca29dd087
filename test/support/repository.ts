import { existsSync } from 'node:fs';
import path from 'node:path';

/** The root of the repository, from the sources and from the build. */
export const REPOSITORY = rootAbove(import.meta.dirname);

/** The bundled model and its texts. */
export const EXAMPLE_MODEL = path.join(REPOSITORY, 'examples/models/llama-2m');
export const EXAMPLE_CALIBRATION = path.join(REPOSITORY, 'examples/text/calibration.txt');
export const EXAMPLE_EVALUATION = path.join(REPOSITORY, 'examples/text/evaluation.txt');

/** The `esparse` command. */
export const ESPARSE = path.join(REPOSITORY, 'services/cli/bin/esparse.mjs');

function rootAbove(directory: string): string {
  return existsSync(path.join(directory, 'nx.json')) ? directory : rootAbove(path.dirname(directory));
}
