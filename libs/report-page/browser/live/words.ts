/** A share of a moment: 63 %. */
export function shareInWords(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** The time of day of a moment, as the reader's clock has it. */
export function clock(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : date.toLocaleTimeString();
}

/** Milliseconds of a moment. */
export function milliseconds(time: string): number {
  return Date.parse(time);
}

/** A number of three digits, with its thousands or millions: 2.46 M, 65.3 k, 7.06. */
export function count(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let [unit, left] = [0, value];
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${unit === 0 && Number.isInteger(left) ? left : Number(left.toPrecision(3))}${units[unit]!}`;
}

/** An operator by the name that the dataflow gives it. */
export function operatorInWords(
  operator: string,
  nodes: readonly { readonly id: string; readonly label: string }[] = [],
): string {
  return nodes.find(({ id }) => id === operator)?.label ?? operator.replace(/^[a-z-]+:/, '');
}
