import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { renderPage, type ReportData } from './index.ts';

/** Everything that a model, a linear or a token may be called, to break out of where it stands. */
const HOSTILE = '</script><script>alert(1)</script><!-- "&\u2028';

const data: ReportData = {
  esparse: '0.0.0',
  title: HOSTILE,
  summary: [HOSTILE],
  facts: [],
  missing: [],
  blocks: [],
  importance: { by: 'weights' },
  frontier: [],
};
const attachment = Uint8Array.of(1, 2, 3, 4);
const page = renderPage(data, attachment);

/** The scripts of the page, as a browser finds their ends. */
const scripts = [...page.matchAll(/<script([^>]*)>([\s\S]*?)<\/script/gi)].map(([, attributes, text]) => ({
  attributes: attributes!,
  text: text!,
}));

test('names that look like markup neither end the element that they stand in nor begin another', () => {
  expect(scripts).toHaveLength(3);
  expect(JSON.parse(scripts[0]!.text)).toEqual(data);
  expect(page).toContain('<title>&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- &quot;&amp;');
  // Within a script, these would hide its end.
  expect(page).not.toContain('<!--');
});

test('its policy lets the one script of the page run, and nothing be loaded', () => {
  const [policy] = /(?<=content-security-policy" content=")[^"]+/.exec(page)!;
  const digest = createHash('sha256').update(scripts[2]!.text).digest('base64');
  expect(policy).toContain(`default-src 'none'; script-src 'sha256-${digest}'; style-src 'sha256-`);
  expect(policy).not.toMatch(/unsafe|http|\*/);
  expect(page).not.toMatch(/(src|href)=["']?http/);
});

test('numbers are in the page, compressed', () => {
  expect([...inflateRawSync(Buffer.from(scripts[1]!.text, 'base64'))]).toEqual([...attachment]);
});

test('what draws the charts stays below 1.5 MB', () => {
  expect(scripts[2]!.text.length).toBeLessThan(1_500_000);
});

test('the licences of what draws them are in the page', () => {
  expect(scripts[2]!.text).toMatch(/Apache ECharts\nCopyright/);
  expect(scripts[2]!.text).toMatch(/BSD 3-Clause License\s+Copyright \(c\) 2017, Baidu Inc/);
});
