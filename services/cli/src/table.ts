import Table from 'cli-table3';

/** A table without lines down the side: the first row is its head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const out = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
  });
  out.push(...rows.map((row) => [...row]));
  return `${out.toString()}\n`;
}

/** Bytes in the unit that reads best: 1.50 MiB. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(2)} ${units[unit]!}`;
}

/** A share as a percentage: 56.25 %. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** A part as a percentage of the whole; a dash where there is nothing to have a part of. */
export function percentOf(part: number, whole: number): string {
  return whole === 0 ? '-' : percent(part / whole);
}
