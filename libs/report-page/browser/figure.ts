import { element, uniqueId } from './dom.ts';
import { Plot, type Drawing } from './plot.ts';
import { csvOf, liveTable, type TableData } from './table.ts';

/** What a figure shows at a moment. */
export interface FigureContent {
  /** Says what to see. */
  readonly title: string;
  /** How to read it. */
  readonly note: string;
  /** What the picture shows, for those who do not see it. */
  readonly alt: string;
  readonly table: TableData;
}

/** A picture with its title, how it is read, and the numbers behind it. */
export class Figure {
  readonly element: HTMLElement;
  /** Where choices stand. */
  readonly controls = element('div', { class: 'controls' });
  readonly #host: HTMLElement;
  readonly #title = element('h3');
  readonly #note = element('p', { class: 'quiet' });
  readonly #numbers: ReturnType<typeof liveTable>;
  readonly #details: HTMLDetailsElement;
  #table: TableData = { columns: [], rows: [] };
  #filled = true;

  /** @param host holds the picture */
  constructor(host: HTMLElement, name: string) {
    const id = uniqueId('figure');
    this.#title.id = id;
    this.#numbers = liveTable(`Numbers of ${name}`);
    this.#host = host;
    this.#host.setAttribute('role', 'img');
    const save = () => {
      saveText(`${name}.csv`, csvOf(this.#table));
    };
    // The rows are made when they are looked at.
    this.#details = element(
      'details',
      {
        ontoggle: () => {
          this.#fill();
        },
      },
      element('summary', {}, 'Numbers'),
      element('button', { type: 'button', onclick: save }, 'Download CSV'),
      this.#numbers.element,
    );
    this.element = element(
      'figure',
      { 'aria-labelledby': id },
      this.#title,
      this.#note,
      this.controls,
      host,
      this.#details,
    );
  }

  show({ title, note, alt, table: data }: FigureContent): void {
    this.#title.textContent = title;
    this.#note.textContent = note;
    this.#host.setAttribute('aria-label', alt);
    this.#table = data;
    this.#filled = false;
    this.#fill();
  }

  #fill(): void {
    if (!this.#details.open || this.#filled) return;
    this.#filled = true;
    this.#numbers.show(this.#table);
  }
}

/** A figure whose picture is a chart. */
export class ChartFigure extends Figure {
  readonly #host: HTMLElement;
  #plot: Plot | undefined;
  #onClick: ((item: number, series: number) => void) | undefined;

  constructor(name: string) {
    const host = element('div', { class: 'plot' });
    super(host, name);
    this.#host = host;
  }

  /** @param height of the picture, in pixels */
  draw(content: FigureContent, drawing: Drawing, height = 320): void {
    this.show(content);
    this.#host.style.height = `${height}px`;
    if (this.#plot === undefined) {
      this.#plot = new Plot(this.#host);
      if (this.#onClick !== undefined) this.#plot.onClick(this.#onClick);
    }
    this.#plot.draw(drawing);
  }

  onClick(onClick: (item: number, series: number) => void): void {
    this.#onClick = onClick;
  }
}

function saveText(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  element('a', { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
