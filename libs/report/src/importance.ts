import type { RunAttributes } from '@esparse/model-store';
import type { ChannelImportance } from '@esparse/report-page';

/** How the metric of a run weighs channels, by what its options say; one of somebody's own is not known. */
export function importanceOf({
  name,
  parts,
  options,
}: RunAttributes['options']['pipeline']): ChannelImportance {
  const metric = parts?.metric.name ?? name;
  const number = (option: string, otherwise: number) => {
    const value = options[option];
    return typeof value === 'number' ? value : otherwise;
  };
  if (metric.startsWith('e-sparse')) return { by: 'entropy and amplitude', alpha: number('alpha', 1) };
  if (metric.startsWith('wanda')) return { by: 'amplitude', exponent: 1 };
  if (metric.startsWith('ria')) return { by: 'amplitude', exponent: number('power', 0.5) };
  return { by: 'weights' };
}
