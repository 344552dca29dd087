import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { chromiumPath } from '../support/chromium.ts';
import { scratchFolder } from '../support/folders.ts';
import { ESPARSE } from '../support/repository.ts';
import { shardedRun, writeShardedModel } from '../support/sharded-model.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
const executablePath = chromiumPath();
const describeIn = executablePath === undefined ? describe.skip : describe;

describeIn('the live page of a run, of which a worker is killed', () => {
  let browser: Browser;
  let page: Page;
  const workers: WorkerProcess[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    await writeShardedModel(at('model'));
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1300, height: 900 }, colorScheme: 'light' });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url()))
        complaints.push(`asked for ${request.url()}`);
    });
  });
  afterAll(async () => {
    await browser.close();
    await Promise.all(workers.map(({ end }) => end('SIGKILL')));
  });

  /** Runs prune, and gives the address of its page as soon as it has one. */
  async function prune(...args: string[]) {
    const child = spawn(process.execPath, [ESPARSE, 'prune', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: process.env,
    });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const url = await new Promise<string>((resolve, reject) => {
      createInterface(child.stderr).on('line', (line) => {
        const found = /shown on (http:\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
      exited.then(() => {
        reject(new Error('prune ended before it was shown'));
      }, reject);
    });
    return { url, exited };
  }

  const shows = (text: string) => page.waitForSelector(`text=${text}`, { timeout: 120_000 });
  const lines = () => page.locator('.log li').allTextContents();

  test('the page shows that it is gone, loses nothing on a reload, and the run comes to its end', async () => {
    for (let i = 0; i < 2; i++) {
      workers.push(await startWorkerProcess('--threads', '1', '--root', at()));
    }
    const [mortal, standing] = workers as [WorkerProcess, WorkerProcess];
    const { url, exited } = await prune(
      ...shardedRun(at('model'), 24),
      ...['--store', at('store'), '--ui', '127.0.0.1:0', '--figures'],
      ...['--worker', `${mortal.address},${standing.address}`],
    );
    await page.goto(url);
    await page.waitForSelector('html[data-ready]');
    await shows('2 of 2: calibrate');
    mortal.child.kill('SIGKILL');
    await shows('task is tried again');
    await shows('1 of 2 workers cannot be reached');
    await expect(page.locator('td', { hasText: /^away/ }).count()).resolves.toBe(1);

    // A reload has all that was there.
    const before = await lines();
    await page.reload();
    await page.waitForSelector('html[data-ready]');
    await shows('task is tried again');
    expect((await lines()).slice(-before.length)).toEqual(before);
    await expect(page.locator('svg text', { hasText: 'entropy' }).count()).resolves.toBe(1);

    await shows('the run’s process has ended: this is its last state');
    await expect(exited).resolves.toEqual([0, null]);
    await expect(page.textContent('header')).resolves.toMatch(/finished.*2 of 2 blocks/s);
    await expect(page.locator('h3', { hasText: 'All 2 blocks are committed' }).count()).resolves.toBe(1);
    // The depth chart has grown with the run.
    await expect(page.locator('figure', { hasText: 'changes the outputs' }).count()).resolves.toBe(1);
    const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
    await page.evaluate(await readFile(axe, 'utf8'));
    const { violations } = await page.evaluate<AxeResults>('axe.run()');
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
