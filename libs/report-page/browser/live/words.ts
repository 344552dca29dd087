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

/** What operators are there for, by their names, or by the kind that their names begin with. */
const PURPOSES: Readonly<Record<string, string>> = {
  tap: 'the inputs of linears, as the model computes them from the calibration text',
  'statistic:amplitude': 'how large the values of each channel are',
  'statistic:entropy': 'how much information each channel carries',
  'statistic:row-sample': 'some inputs, on which the outputs before and after are compared',
  statistic: 'gathers what is known of each channel',
  load: 'reads the weights of a linear from the checkpoint',
  metric: 'gives each weight a score: how much it matters',
  shuffle: 'looks for an order of channels in which groups lose less',
  'step:mask': 'keeps the best weights of each group',
  stage: 'changes what is kept, or the weights that are',
  pack: 'puts the weights that are kept beside their places',
  'block-stage': 'changes the weights of the whole block',
  commit: 'writes the block: from then on it is there for good',
  advance: 'runs the pruned block: what comes out is the input of the next one',
};

/** What an operator does, for readers who do not know its name. */
export function purposeOf(operator: string): string {
  return PURPOSES[operator] ?? PURPOSES[operator.replace(/:.*$/s, '')] ?? '';
}
