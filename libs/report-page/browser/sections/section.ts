import { element, uniqueId } from '../dom.ts';

/** A part of the page, with its heading. */
export function section(title: string, lead: string, ...children: readonly (Node | string)[]): HTMLElement {
  const id = uniqueId('section');
  return element(
    'section',
    { 'aria-labelledby': id },
    element('h2', { id }, title),
    element('p', {}, lead),
    ...children,
  );
}
