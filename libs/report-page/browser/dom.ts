/** What an element is given: attributes, `class` among them, and listeners by `on…`. */
type Properties = Readonly<Record<string, string | number | boolean | undefined | ((event: Event) => void)>>;

/** Makes an element. Text is always text: nothing that a model or a token is called becomes markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') made.addEventListener(name.replace(/^on/, ''), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== undefined && value !== false) made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/** A choice with its label before it. */
export function choice(
  label: string,
  options: readonly (readonly [value: string, shown: string])[],
  onChoice: (value: string) => void,
  chosen?: string,
): HTMLLabelElement {
  const select = element(
    'select',
    {
      onchange: () => {
        onChoice(select.value);
      },
    },
    ...options.map(([value, shown]) => element('option', { value, selected: value === chosen }, shown)),
  );
  return element('label', {}, element('span', {}, label), select);
}

let made = 0;

/** A name for an element that others point to. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${++made}`;
}
