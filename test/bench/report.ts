/**
 * `npm run bench:report`: the promises about the report of a model of 7 billion, of which a store with random weights is
 * written (8 GB): how long it takes, what memory, how large the page is, and how fast a browser opens it and zooms.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { chromium } from 'playwright-core';
import { chromiumPath } from '../support/chromium.ts';
import { esparseJson } from '../support/esparse.ts';
import type { LlamaShape } from '../support/random-model.ts';
import { writeRandomStore } from '../support/random-store.ts';
import { heading, print } from './table.ts';

const LLAMA_7B: LlamaShape = {
  hidden: 4096,
  intermediate: 11008,
  blocks: 32,
  heads: 32,
  kvHeads: 32,
  vocab: 32_000,
  tiedHead: false,
};

const MIB = 2 ** 20;

/** Zooms for two seconds by keys, one a frame, and counts the frames. */
const ZOOMING = `new Promise((done) => {
  const mask = document.querySelector('.mask');
  const began = performance.now();
  let frames = 0;
  const next = () => {
    const passed = performance.now() - began;
    if (passed > 2000) return done(frames / (passed / 1000));
    mask.dispatchEvent(new KeyboardEvent('keydown', { key: frames++ % 24 < 12 ? '+' : '-' }));
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})`;

const { stores } = new Command('bench:report')
  .option('--stores <dir>', 'where to keep the generated store for the next time (default: removed)')
  .parse()
  .opts<{ readonly stores?: string }>();

const scratch = stores ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));
try {
  const store = path.join(scratch, 'llama-7b-sparse.zarr');
  // `current` is written last: a store that was interrupted has none.
  if (!existsSync(path.join(store, 'current'))) {
    heading('writing a store of the 7B shape, linears 2:4');
    await rm(store, { recursive: true, force: true });
    await writeRandomStore(store, LLAMA_7B, '2:4');
  }
  await benchWriting(store, path.join(scratch, 'report.html'));
  await benchBrowser(path.join(scratch, 'report.html'));
} finally {
  if (stores === undefined) await rm(scratch, { recursive: true, force: true });
}

async function benchWriting(store: string, page: string): Promise<void> {
  heading('a report of 32 blocks x 7 linears, 4096 and 11008 channels');
  const report = await esparseJson('report', '--store', store, '--out', page);
  const { seconds, peakResidentBytes, bytes } = report as Record<string, number>;
  print(below('seconds', seconds!, 10, (value) => `${value.toFixed(1)} s`));
  print(below('peak resident memory', peakResidentBytes!, 300 * MIB, mib));
  print(below('size of the page', bytes!, 15 * MIB, mib));
}

async function benchBrowser(page: string): Promise<void> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) return;
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const shown = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    const started = performance.now();
    await shown.goto(pathToFileURL(page).href);
    await shown.waitForSelector('html[data-ready]');
    const opened = (performance.now() - started) / 1000;
    const seconds = (value: number) => `${value.toFixed(2)} s`;
    print(below('seconds until what is in view is drawn in Chromium', opened, 2, seconds));
    await shown.waitForSelector('html[data-complete]');
    const complete = (performance.now() - started) / 1000;
    print(below('seconds until all of it is drawn', complete, 2, seconds));
    await shown.locator('.mask').scrollIntoViewIfNeeded();
    const frames = await shown.evaluate<number>(ZOOMING);
    print({
      name: 'frames a second while a mask is zoomed',
      measured: frames.toFixed(0),
      target: '>= 30',
      met: frames >= 30,
    });
  } finally {
    await browser.close();
  }
}

function below(name: string, value: number, most: number, shown: (value: number) => string) {
  return { name, measured: shown(value), target: `< ${shown(most)}`, met: value < most };
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
