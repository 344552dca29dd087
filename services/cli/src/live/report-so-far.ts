import { createRequire } from 'node:module';
import { EsparseError } from '@esparse/errors';
import { showLocation } from '@esparse/storage';
import { openStore } from '@esparse/store';

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

/**
 * The report of what is committed of a run, as a page. It is made when somebody asks, once for all who ask meanwhile, and only
 * blocks that are new since the last time are read.
 *
 * @param run the fingerprint; undefined while it is not known
 */
export function reportSoFar(location: string, run: () => string | undefined): () => Promise<string> {
  let made: { readonly of: string; readonly page: Promise<string> } | undefined;
  const make = createMaker(location);
  return async () => {
    const fingerprint = run();
    if (fingerprint === undefined) throw notYet();
    const shown = await (await openStore(location)).openRun(fingerprint);
    const committed = await shown.committedBlocks();
    if (committed.length === 0) throw notYet();
    const of = `${fingerprint} ${committed.length} ${await shown.finished()}`;
    if (made?.of !== of) {
      // One after the other: both would read what is new.
      const before = made?.page.catch(() => '') ?? Promise.resolve('');
      const page = before.then(() => make(shown));
      made = { of, page };
      page.catch(() => {
        if (made?.page === page) made = undefined;
      });
    }
    return made.page;
  };
}

type Shown = Awaited<ReturnType<Awaited<ReturnType<typeof openStore>>['openRun']>>;

function createMaker(location: string): (run: Shown) => Promise<string> {
  let known: { readonly of: string; readonly memory: object } | undefined;
  return async (run) => {
    // A run that nobody asks about does without what reads and draws it.
    const [{ gatherReport, ReportMemory }, { renderPage }] = await Promise.all([
      import('@esparse/report'),
      import('@esparse/report-page'),
    ]);
    if (known?.of !== run.fingerprint) known = { of: run.fingerprint, memory: new ReportMemory() };
    const memory = known.memory as InstanceType<typeof ReportMemory>;
    const { data, attachment } = await gatherReport(run, { version, store: showLocation(location), memory });
    return renderPage(data, attachment);
  };
}

function notYet(): EsparseError {
  return new EsparseError('unavailable', 'no block is committed yet: there is nothing to report');
}
