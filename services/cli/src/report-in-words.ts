/** Digits of a number that a block stage has found: a loss says no more. */
const DIGITS = 4;

/** What a block stage has found, such as 'loss before 0.0123, loss after 0.0041, steps 300, stopped done'. */
export function reportInWords(report: Readonly<Record<string, number | string>>): string {
  return Object.entries(report)
    .map(([name, value]) => `${inWords(name)} ${typeof value === 'string' ? value : shown(value)}`)
    .join(', ');
}

/** lossBefore as 'loss before'. */
function inWords(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(DIGITS)));
}
