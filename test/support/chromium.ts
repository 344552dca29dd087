import { existsSync } from 'node:fs';

/** Where Debian's `chromium` and other systems put it. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * The browser in which pages are tested, or undefined where there is none: the tests of pages are then left out, and say so.
 * With ESPARSE_TEST_CHROMIUM=1 that is an error, for a machine that promises to have one.
 */
export function chromiumPath(): string | undefined {
  const found = PLACES.find((place) => existsSync(place));
  if (found !== undefined) return found;
  const reason = 'no Chromium found (Debian: apt-get install chromium)';
  if (process.env.ESPARSE_TEST_CHROMIUM === '1') throw new Error(reason);
  process.stderr.write(`WARNING: pages are not tested in a browser: ${reason}\n`);
  return undefined;
}
