import { FACT_GROUPS, type ReportData } from '../../src/data.ts';
import { element } from '../dom.ts';
import { themeButton } from '../theme-button.ts';

/** What was pruned, how and to which size, in sentences and in tables. */
export function head({ title, summary, facts, missing, esparse }: ReportData): HTMLElement[] {
  const groups = FACT_GROUPS.map((group) => ({ group, own: facts.filter((fact) => fact.group === group) }));
  return [
    element(
      'header',
      {},
      element('div', { class: 'bar' }, element('p', { class: 'quiet' }, `esparse ${esparse}`), themeButton()),
      element('h1', {}, title),
      ...summary.map((sentence) => element('p', { class: 'lead' }, sentence)),
    ),
    element(
      'div',
      { class: 'facts' },
      ...groups.flatMap(({ group, own }) =>
        own.length === 0
          ? []
          : [
              element(
                'section',
                {},
                element('h2', {}, group),
                element(
                  'dl',
                  {},
                  ...own.map(({ name, value }) =>
                    element('div', {}, element('dt', {}, name), element('dd', {}, value)),
                  ),
                ),
              ),
            ],
      ),
    ),
    ...(missing.length === 0 ? [] : [missingList(missing)]),
  ];
}

function missingList(missing: ReportData['missing']): HTMLElement {
  return element(
    'details',
    { class: 'missing' },
    element('summary', {}, `What this report does not have (${missing.length})`),
    element(
      'ul',
      {},
      ...missing.map(({ what, how }) => element('li', {}, element('strong', {}, what), `: ${how}`)),
    ),
  );
}
