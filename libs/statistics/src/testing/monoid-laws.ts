import { statisticLaws, type LawfulStatistic, type StatisticLawOptions } from '@esparse/laws';

/** `statisticLaws`, by its name of before. */
export function checkMonoidLaws<State>({
  statistic,
  ...options
}: StatisticLawOptions & { readonly statistic: LawfulStatistic<State> }): Promise<void> {
  return statisticLaws(statistic, options);
}
