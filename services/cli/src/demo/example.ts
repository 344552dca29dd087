import { createRequire } from 'node:module';
import path from 'node:path';

const home = path.dirname(createRequire(import.meta.url).resolve('@esparse/examples/package.json'));

/** The model and the texts that come with esparse. */
export const EXAMPLE = {
  model: path.join(home, 'models/llama-2m'),
  calibration: path.join(home, 'text/calibration.txt'),
  evaluation: path.join(home, 'text/evaluation.txt'),
};
