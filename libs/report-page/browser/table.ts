import { element } from './dom.ts';
import { shortNumber } from './format.ts';

export type Cell = string | number | undefined;

/** What is behind a chart: the same numbers, in rows. */
export interface TableData {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Called for a row that is chosen; the first cell is then a button. */
  readonly onChoose?: (row: readonly Cell[]) => void;
}

/** Rows that are shown: a page with tens of thousands of them is slow; the file has all. */
const MAX_ROWS = 200;

/** A table whose columns sort it. */
export function table(data: TableData, label: string): HTMLElement {
  const made = liveTable(label);
  made.show(data);
  return made.element;
}

/** The same with rows that change: what they are sorted by stays. */
export function liveTable(label: string): { readonly element: HTMLElement; show(data: TableData): void } {
  let data: TableData = { columns: [], rows: [] };
  let heads: HTMLElement[] = [];
  let sorted: { column: number; descending: boolean } | undefined;
  const head = element('tr');
  const body = element('tbody');
  const note = element('p', { class: 'quiet' });
  const headOf = (name: string, column: number) => {
    const onclick = () => {
      sorted = { column, descending: sorted?.column === column && !sorted.descending };
      fill();
    };
    return element('th', { scope: 'col' }, element('button', { type: 'button', onclick }, name));
  };
  const fill = () => {
    const { rows } = data;
    const order = sorted === undefined ? rows : sortedBy(rows, sorted.column, sorted.descending);
    heads.forEach((one, column) => {
      if (sorted?.column !== column) one.removeAttribute('aria-sort');
      else one.setAttribute('aria-sort', sorted.descending ? 'descending' : 'ascending');
    });
    body.replaceChildren(...order.slice(0, MAX_ROWS).map((row) => rowOf(row, data)));
  };
  const shown = element(
    'table',
    {},
    element('caption', { class: 'hidden' }, label),
    element('thead', {}, head),
    body,
  );
  return {
    element: element(
      'div',
      {},
      note,
      element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label }, shown),
    ),
    show(next) {
      if (next.columns.join('\n') !== data.columns.join('\n')) {
        heads = next.columns.map(headOf);
        head.replaceChildren(...heads);
        sorted = undefined;
      }
      data = next;
      const { length } = next.rows;
      note.textContent =
        length > MAX_ROWS
          ? `The first ${MAX_ROWS} of ${length} rows, in the order that a column's head gives; the file has all.`
          : '';
      fill();
    },
  };
}

function rowOf(row: readonly Cell[], { onChoose }: TableData): HTMLTableRowElement {
  const cells = row.map((value, column) => {
    const text = value === undefined ? '-' : typeof value === 'number' ? shortNumber(value) : value;
    const isNumber = typeof value === 'number';
    if (column === 0 && onChoose !== undefined) {
      const choose = () => {
        onChoose(row);
      };
      return element('td', {}, element('button', { type: 'button', class: 'link', onclick: choose }, text));
    }
    return element('td', isNumber ? { class: 'number' } : {}, text);
  });
  return element('tr', {}, ...cells);
}

function sortedBy(rows: TableData['rows'], column: number, descending: boolean): TableData['rows'] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(a[column], b[column]));
}

/** Numbers by size, texts by their letters, what is missing last. */
function compare(a: Cell, b: Cell): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b));
}

/** The rows as RFC 4180 has them. A text that a spreadsheet would compute with stays a text. */
export function csvOf({ columns, rows }: TableData): string {
  return [columns, ...rows].map((row) => row.map(csvCell).join(',')).join('\r\n');
}

function csvCell(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
