import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { bundled } from './bundled.ts';
import type { ReportData } from './data.ts';

/** Beyond this level of compression the page becomes hardly smaller, and takes twice the time. */
const DEFLATE_LEVEL = 4;

/**
 * The page, complete in itself: a reader's browser asks nobody for anything, and runs no script but the page's own.
 *
 * @param attachment the bytes that the `Numbers` of the data point to
 */
export function renderPage(data: ReportData, attachment: Uint8Array): string {
  const [script, style] = [bundled('main.js'), bundled('page.css')];
  const policy = [
    "default-src 'none'",
    `script-src '${digestOf(script)}'`,
    `style-src '${digestOf(style)}'`,
    // What charts draw, and what they save.
    'img-src data: blob:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const numbers = deflateRawSync(attachment, { level: DEFLATE_LEVEL }).toString('base64');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="content-security-policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeHtml(data.title)}: esparse report</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<noscript>The pictures of this page are drawn by a script, which is switched off.</noscript>',
    '<main id="page"></main>',
    `<script type="application/json" id="data">${jsonInScript(data)}</script>`,
    `<script type="application/octet-stream" id="numbers">${numbers}</script>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function digestOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** JSON in which nothing ends the element that it stands in, or begins a comment. */
function jsonInScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
