import { bundled } from '../bundled.ts';

/** What a server answers with, beside the events: the page, its script and its style, from memory. */
export interface LivePage {
  readonly html: string;
  readonly script: string;
  readonly style: string;
  /** The policy that the page is to be served with: nothing but what its own server has. */
  readonly policy: string;
}

export function livePage(): LivePage {
  return {
    html: HTML,
    script: bundled('live.js'),
    style: bundled('live.css'),
    policy: [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      'img-src data: blob:',
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>esparse: a run</title>
<link rel="stylesheet" href="live.css">
<link rel="icon" href="data:,">
</head>
<body>
<noscript>This page is drawn by a script, which is switched off.</noscript>
<main id="page"></main>
<script src="live.js"></script>
</body>
</html>
`;
