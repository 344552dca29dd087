/** The colours of the charts: those of the page's style sheet, which has them for light and for dark. */
export interface Theme {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly surface: string;
  readonly series: readonly string[];
  /** From little to much. */
  readonly scale: readonly string[];
}

/** The colours that hold now. */
export function currentTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour('text'),
    quiet: colour('quiet'),
    line: colour('line'),
    surface: colour('surface'),
    series: [1, 2, 3, 4, 5].map((i) => colour(`series-${i}`)),
    scale: [1, 2, 3, 4, 5].map((i) => colour(`scale-${i}`)),
  };
}

const listeners = new Set<() => void>();

/** Calls `redraw` whenever the colours change. */
export function onThemeChange(redraw: () => void): void {
  listeners.add(redraw);
}

function changed(): void {
  for (const redraw of listeners) redraw();
}

/** What the reader has chosen; without a choice, the system's colours hold. */
export function setTheme(theme: 'light' | 'dark' | undefined): void {
  if (theme === undefined) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed();
}

/** Follows the system, and prints in light colours. */
export function followTheme(): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  let before: string | undefined;
  addEventListener('beforeprint', () => {
    before = document.documentElement.dataset.theme;
    setTheme('light');
  });
  addEventListener('afterprint', () => {
    setTheme(before as 'light' | 'dark' | undefined);
  });
}
