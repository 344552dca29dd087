import { element } from './dom.ts';
import { keptShare, type MaskCells } from './mask-cells.ts';
import { currentTheme, onThemeChange } from './theme.ts';

/** Columns and rows that are shown: from a place on, so many. */
interface View {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Cells that are this wide have lines between their groups. */
const LINED_PIXELS = 5;
/** The closest view has so many columns. */
const MIN_COLUMNS = 8;
const ZOOM = 1.5;
/** What an arrow key moves by, as a share of what is shown. */
const STEP = 0.15;

/** A mask as a picture: a cell is dark where the weight is kept; from afar, a pixel is the share of many weights. */
export class MaskPicture {
  readonly host = element('div', { class: 'plot mask', tabindex: 0 });
  readonly #canvas = element('canvas');
  readonly #onHover: (what: string) => void;
  #cells: MaskCells | undefined;
  #view: View = { left: 0, top: 0, width: 1, height: 1 };
  #drawn = false;

  /** @param onHover is told what is under the pointer */
  constructor(onHover: (what: string) => void) {
    this.#onHover = onHover;
    this.host.append(this.#canvas);
    new ResizeObserver(() => {
      this.#schedule();
    }).observe(this.host);
    onThemeChange(() => {
      this.#schedule();
    });
    this.#listen();
  }

  /** Shows other cells: as a whole, unless `keep` asks for the place that is shown. */
  show(cells: MaskCells | undefined, keep = false): void {
    const isAlike =
      keep && cells?.cols === this.#cells?.cols && cells?.rows.length === this.#cells?.rows.length;
    this.#cells = cells;
    if (!isAlike) this.reset();
    this.#schedule();
  }

  reset(): void {
    const { cols = 1, rows } = this.#cells ?? {};
    this.#view = { left: 0, top: 0, width: cols, height: rows?.length ?? 1 };
    this.#schedule();
  }

  /** Makes what is shown smaller or larger, around a place of the picture from 0 to 1 each way. */
  zoom(by: number, x = 0.5, y = 0.5): void {
    const view = this.#view;
    const { cols = 1, rows } = this.#cells ?? {};
    const least = Math.min(1, MIN_COLUMNS / cols);
    const share = Math.min(1, Math.max(least, view.width / cols / by));
    const [width, height] = [
      share * cols,
      Math.max(share, Math.min(1, 4 / (rows?.length ?? 1))) * (rows?.length ?? 1),
    ];
    this.#moveTo(view.left + x * (view.width - width), view.top + y * (view.height - height), width, height);
  }

  /** Moves by shares of what is shown. */
  pan(x: number, y: number): void {
    const { left, top, width, height } = this.#view;
    this.#moveTo(left + x * width, top + y * height, width, height);
  }

  #moveTo(left: number, top: number, width: number, height: number): void {
    const { cols = 1, rows } = this.#cells ?? {};
    const within = (value: number, most: number) => Math.max(0, Math.min(most, value));
    this.#view = {
      left: within(left, cols - width),
      top: within(top, (rows?.length ?? 1) - height),
      width,
      height,
    };
    this.#schedule();
  }

  #listen(): void {
    const { host } = this;
    host.addEventListener('keydown', (event) => {
      const moves: Readonly<Record<string, () => void>> = {
        ArrowLeft: () => {
          this.pan(-STEP, 0);
        },
        ArrowRight: () => {
          this.pan(STEP, 0);
        },
        ArrowUp: () => {
          this.pan(0, -STEP);
        },
        ArrowDown: () => {
          this.pan(0, STEP);
        },
        '+': () => {
          this.zoom(ZOOM);
        },
        '-': () => {
          this.zoom(1 / ZOOM);
        },
        '0': () => {
          this.reset();
        },
      };
      const move = moves[event.key];
      if (move === undefined || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      move();
    });
    host.addEventListener(
      'wheel',
      (event) => {
        // Without the key, the page scrolls; fingers that pinch a touchpad press it.
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const { width, height } = host.getBoundingClientRect();
        this.zoom(ZOOM ** (-event.deltaY / 100), event.offsetX / width, event.offsetY / height);
      },
      { passive: false },
    );
    let grabbed: { x: number; y: number } | undefined;
    host.addEventListener('pointerdown', (event) => {
      grabbed = { x: event.clientX, y: event.clientY };
      host.setPointerCapture(event.pointerId);
    });
    host.addEventListener('pointermove', (event) => {
      const { width, height } = host.getBoundingClientRect();
      if (grabbed !== undefined) {
        this.pan((grabbed.x - event.clientX) / width, (grabbed.y - event.clientY) / height);
        grabbed = { x: event.clientX, y: event.clientY };
      }
      this.#tell(event.offsetX / width, event.offsetY / height);
    });
    for (const end of ['pointerup', 'pointercancel'] as const) {
      host.addEventListener(end, () => {
        grabbed = undefined;
      });
    }
  }

  #tell(x: number, y: number): void {
    const cells = this.#cells;
    if (cells === undefined) return;
    const { left, top, width, height } = this.#view;
    const column = Math.floor(left + x * width);
    const r = Math.floor(top + y * height);
    const [channel, row] = [cells.channels[column], cells.rows[r]];
    if (channel === undefined || row === undefined) return;
    const kept = keptShare(cells, r, column, r + 1, column + 1) === 1 ? 'kept' : 'pruned';
    this.#onHover(`row ${row}, channel ${channel} (group ${Math.floor(column / cells.group)}): ${kept}`);
  }

  /** At most once a frame. */
  #schedule(): void {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      this.#draw();
    });
  }

  #draw(): void {
    const cells = this.#cells;
    const ratio = devicePixelRatio;
    const [width, height] = [
      Math.round(this.host.clientWidth * ratio),
      Math.round(this.host.clientHeight * ratio),
    ];
    const context = this.#canvas.getContext('2d');
    if (cells === undefined || context === null || width === 0 || height === 0) return;
    Object.assign(this.#canvas, { width, height });
    const { surface, series } = currentTheme();
    const colours = between(surface, series[0]!);
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const columns = edges(this.#view.left, this.#view.width, width, cells.cols);
    const rows = edges(this.#view.top, this.#view.height, height, cells.rows.length);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const share = keptShare(cells, rows.from[y]!, columns.from[x]!, rows.to[y]!, columns.to[x]!);
        pixels[y * width + x] = colours[Math.round(255 * share)]!;
      }
    }
    context.putImageData(image, 0, 0);
    this.#drawGroups(context, cells, width, height);
  }

  #drawGroups(
    context: CanvasRenderingContext2D,
    { group, cols }: MaskCells,
    width: number,
    height: number,
  ): void {
    const { left, width: shown } = this.#view;
    if (width / devicePixelRatio / shown < LINED_PIXELS) return;
    context.fillStyle = currentTheme().quiet;
    const first = Math.ceil(left / group) * group;
    for (let column = first; column <= Math.min(cols, left + shown); column += group) {
      context.fillRect(Math.round(((column - left) / shown) * width), 0, 1, height);
    }
  }
}

/** The cells that each pixel covers: one at least. */
function edges(begin: number, shown: number, pixels: number, cells: number) {
  const at = (pixel: number) => Math.min(cells - 1, Math.floor(begin + (pixel / pixels) * shown));
  const from = Int32Array.from({ length: pixels }, (_, pixel) => at(pixel));
  const to = Int32Array.from({ length: pixels }, (_, pixel) => Math.max(at(pixel) + 1, at(pixel + 1)));
  return { from, to };
}

/** 256 colours from one to another, as the words of a canvas: red in the lowest byte. */
function between(from: string, to: string): Uint32Array {
  const parts = (hex: string) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));
  const [a, b] = [parts(from), parts(to)];
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const [red, green, blue] = a.map((value, i) => Math.round(value + (level / 255) * (b[i]! - value)));
    return ((255 << 24) | (blue! << 16) | (green! << 8) | red!) >>> 0;
  });
}
