import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { AxeResults } from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { chromiumPath } from '../support/chromium.ts';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();

/** A model that others measured, with a name that would be a script if it were markup. */
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>';

/** What would be an element if a token were markup. */
const MARKUP = '<img src=x>';

beforeAll(async () => {
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4_000));
  await writeFile(at('points.json'), JSON.stringify([{ name: HOSTILE, bitsPerWeight: 4.5, perplexity: 30 }]));
  // Every window has some markup in it.
  const text = (await readFile(EXAMPLE_CALIBRATION, 'utf8')).slice(0, 20_000);
  await writeFile(at('calibration.txt'), text.replaceAll(/(.{60})\n?/gs, `$1 ${MARKUP} `));
  const calibration = ['--calibration', at('calibration.txt'), '--samples', '4', '--seqlen', '64'];
  const options = ['--model', EXAMPLE_MODEL, ...calibration, '--store', at('store.zarr')];
  const { stdout } = await esparse('prune', ...options, '--figure-tokens', '--json');
  await writeFile(at('events.jsonl'), stdout);
});

/** Writes a report of the store, and gives what the command says. */
const report = (out: string, ...args: string[]) =>
  esparseJson('report', '--store', at('store.zarr'), '--out', at(out), ...args);

test('a report is one file, and says what it lacks and how to get it', async () => {
  const written = await report('plain.html');
  expect(written.damage).toEqual([]);
  expect(written.missing).toContainEqual({
    what: 'perplexity',
    how: expect.stringContaining('--text'),
  });
  const size = (await readFile(at('plain.html'))).length;
  expect(written.bytes).toBe(size);
  expect(size).toBeLessThan(2 * 2 ** 20);
});

const executablePath = chromiumPath();
const describeIn = executablePath === undefined ? describe.skip : describe;

describeIn('in a browser', () => {
  let browser: Browser;
  let page: Page;
  /** What the page complained of. */
  const complaints: string[] = [];

  beforeAll(async () => {
    const measured = ['--text', at('text.txt'), '--seqlen', '128', '--compare', EXAMPLE_MODEL];
    await report('full.html', ...measured, '--points', at('points.json'), '--events', at('events.jsonl'));
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: 'light' });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!/^(file|data|blob):/.test(request.url())) complaints.push(`asked for ${request.url()}`);
    });
    await page.goto(pathToFileURL(at('full.html')).href);
    await page.waitForSelector('html[data-complete]');
  });
  afterAll(() => browser.close());
  // What a test does must leave the console empty.
  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });

  test('it begins with what was done in words, and has every section', async () => {
    await expect(page.textContent('header')).resolves.toMatch(
      /llama-2m was pruned to 2:4 by e-sparse: its linears take 56\.25 % .*Its perplexity is/s,
    );
    await expect(page.locator('main > section > h2').allTextContents()).resolves.toEqual([
      'Depth',
      'Channels',
      'Groups',
      'Frontier',
    ]);
    await expect(page.textContent('.facts')).resolves.toContain('Peak memory, pruner');
  });

  test('the share of the score that is lost, and the change of outputs, are of every linear', async () => {
    await expect(page.textContent('header')).resolves.toMatch(
      /What is pruned carried \d\d\.\d\d % of the score.*The outputs of a linear change by \d\d\.\d\d % on average/s,
    );
    await expect(
      page.getByRole('combobox', { name: 'Show' }).locator('option').allTextContents(),
    ).resolves.toEqual(['Output error', 'Score lost', 'Gain of the shuffle', 'Size']);
  });

  test('the error that accumulates over the blocks is drawn, and named in words', async () => {
    await expect(
      page.locator('h3', { hasText: /^The error (grows|falls) from \d+\.\d\d % before block 1/ }).count(),
    ).resolves.toBe(1);
    await expect(page.textContent('header')).resolves.toContain(
      'Before block 3, what the blocks have changed',
    );
    await expect(page.textContent('.facts')).resolves.toContain('Slowest operator');
  });

  test('a name that looks like markup is text', async () => {
    const frontier = page.locator('figure', { hasText: 'Perplexity at its price' });
    await frontier.locator('summary').click();
    const named = frontier.locator('td', { hasText: HOSTILE });
    // A table is filled when it is opened.
    await named.waitFor();
    await expect(named.count()).resolves.toBe(1);
    await expect(page.locator('img').count()).resolves.toBe(0);
    await expect(page.title()).resolves.toBe('llama-2m: esparse report');
  });

  test.each([
    ['wide and light', { width: 1200, height: 900 }, 'light'],
    ['narrow and dark', { width: 360, height: 740 }, 'dark'],
  ] as const)('%s, it fits the window, and axe finds nothing', async (_, size, colorScheme) => {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme });
    await untilItFits(page);
    const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
    await page.evaluate(await readFile(axe, 'utf8'));
    const { violations } = await page.evaluate<AxeResults>('axe.run()');
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])).toEqual([]);
  });

  test('every picture has a title, words for those who do not see it, and its numbers as a file', async () => {
    for (const figure of await page.locator('figure').all()) {
      await expect(figure.locator('h3').textContent()).resolves.toMatch(/\w{3}/);
      await expect(figure.locator('[role=img]').getAttribute('aria-label')).resolves.toMatch(/\w{3}/);
      const details = figure.locator('details');
      if ((await details.getAttribute('open')) === null) await details.locator('summary').click();
      const saved = page.waitForEvent('download');
      await details.getByRole('button', { name: 'Download CSV' }).click();
      const lines = (await readFile(await (await saved).path(), 'utf8')).split('\r\n');
      expect(lines.length).toBeGreaterThan(2);
      expect(await details.locator('tbody tr').count()).toBe(Math.min(200, lines.length - 1));
    }
  });

  test('the head of a column sorts the numbers by it', async () => {
    const numbers = page.locator('figure', { hasText: 'Loud channels' });
    const column = async (i: number) =>
      (await numbers.locator(`tbody td:nth-child(${i})`).allTextContents()).map(Number);
    await numbers.getByRole('button', { name: 'amplitude' }).click();
    const ascending = await column(3);
    expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
    await numbers.getByRole('button', { name: 'amplitude' }).click();
    expect((await column(3))[0]).toBe(ascending.at(-1));
  });

  test('a channel that is named opens its page; Escape closes it', async () => {
    await page.getByLabel('Channel', { exact: true }).fill('17');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Channel 17 of attn_in, block 0' });
    await dialog.waitFor();
    await expect(dialog.locator('dt').allTextContents()).resolves.toEqual([
      'Entropy',
      'Amplitude',
      'Rank by E-Sparse',
      'Rank by Wanda',
      'Weights kept',
    ]);
    await expect(dialog.locator('tbody tr').first().locator('td').first().textContent()).resolves.toBe(
      'q_proj',
    );
    await expect(
      dialog.locator('h3', { hasText: /^Most values of channel 17 are near/ }).count(),
    ).resolves.toBe(1);
    const tokens = await dialog.locator('.tokens li').allTextContents();
    expect(tokens).toHaveLength(5);
    // Tokens are text, whatever they look like.
    expect(tokens.join()).toContain('<img');
    await expect(page.locator('img').count()).resolves.toBe(0);
    await expect(dialog.locator('.tokens mark').count()).resolves.toBe(5);
    await page.keyboard.press('Escape');
    // It is taken out of the page when the browser says that it has closed.
    await page.waitForSelector('dialog', { state: 'detached' });
  });

  test('the mask of another linear is shown in its original order, and near, by keys alone', async () => {
    await page.getByRole('combobox', { name: 'Linear' }).selectOption('down_proj');
    await page.getByRole('combobox', { name: 'Channels in' }).selectOption('original');
    const figure = page.locator('figure', { has: page.locator('.mask') });
    await expect(figure.locator('h3').textContent()).resolves.toContain(
      'In the original order, down_proj of block 0',
    );
    const picture = () =>
      page
        .locator('.mask canvas')
        .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
    // What is asked for is drawn in the next frame.
    const drawn = () =>
      page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    const whole = await picture();
    await page.locator('.mask').focus();
    await page.keyboard.press('+');
    await page.keyboard.press('ArrowRight');
    await drawn();
    expect(await picture()).not.toBe(whole);
    await page.keyboard.press('0');
    await drawn();
    expect(await picture()).toBe(whole);
  });

  test('the live page of a run that has ended shows what its events say, and leads to its report', async () => {
    let url = '';
    const shown = (line: string) => (url = /shown on (http:\S+)/.exec(line)?.[1] ?? '') !== '';
    const args = ['--store', at('store.zarr'), '--events', at('events.jsonl'), '--ui', '127.0.0.1:0'];
    const [begun] = (await readFile(at('events.jsonl'), 'utf8')).split('\n');
    const { run, time } = JSON.parse(begun!) as { run: string; time: string };
    const note = JSON.stringify({ event: 'note', time, run, message: HOSTILE });
    await appendFile(at('events.jsonl'), `${note}\nno event at all\n`);
    const ui = await esparseUntil(shown, 'ui', ...args);
    const live = await browser.newPage({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    try {
      live.on('console', (message) => complaints.push(message.text()));
      live.on('pageerror', (error) => complaints.push(error.message));
      await live.goto(url);
      await live.waitForSelector('text=All 4 blocks are committed');
      await expect(live.locator('.log li', { hasText: HOSTILE }).count()).resolves.toBe(1);
      await expect(live.locator('img').count()).resolves.toBe(0);
      await expect(live.locator('h3', { hasText: /worked most: \d+ % of the run/ }).count()).resolves.toBe(1);
      await expect(live.locator('td', { hasText: /^127\.0\.0\.1:/ }).count()).resolves.toBe(1);
      await untilItFits(live);
      await live.getByRole('link', { name: 'The report of the 4 blocks' }).click();
      await live.waitForSelector('html[data-ready] h1:has-text("llama-2m")');
      await expect(live.locator('main > section > h2').first().textContent()).resolves.toBe('Depth');
    } finally {
      await live.close();
      ui.kill('SIGTERM');
    }
  });
});

/** A picture takes its new size a moment after the window did. */
async function untilItFits(page: Page): Promise<void> {
  const fits = 'document.documentElement.scrollWidth <= document.documentElement.clientWidth';
  const until = Date.now() + 60_000;
  // Playwright's own way to wait needs `eval`, which the page forbids.
  while ((await page.evaluate(fits)) !== true) {
    if (Date.now() > until) throw new Error('the page is wider than its window');
    await setTimeout(50);
  }
}
