export function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}

export function product(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all * number, 1);
}
