/** Asks for a key. */
export function enterPage(wasWrong: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>esparse: a run</title>
<link rel="stylesheet" href="live.css">
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>This run needs a key</h1>
<p>It is in the file that was given to <code>--ui-key-file</code>.</p>
${wasWrong ? '<p role="alert">That was no key of this run.</p>' : ''}
<form method="post" action="enter" class="inline">
<label>Key <input type="password" name="key" required autocomplete="current-password"></label>
<button type="submit">Show the run</button>
</form>
</main>
</body>
</html>
`;
}
