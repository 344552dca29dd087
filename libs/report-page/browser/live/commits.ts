import { element, uniqueId } from '../dom.ts';
import { liveTable } from '../table.ts';
import type { LivePart } from './view.ts';
import { bytesInWords, secondsInWords } from '../../src/units.ts';
import { clock } from './words.ts';

/** The blocks that are in the store for good, the newest first. */
export function commitsFigure(): LivePart {
  const id = uniqueId('commits');
  const title = element('h3', { id }, 'Commits');
  const shown = liveTable('Commits');
  const part = element('section', { class: 'panel', 'aria-labelledby': id }, title, shown.element);
  return {
    element: part,
    draw({ blocks }) {
      const committed = blocks.filter((block) => block.committed !== undefined).reverse();
      part.hidden = committed.length === 0;
      const [newest] = committed;
      if (newest?.committed !== undefined)
        title.textContent = `Block ${newest.block} was committed last, at ${clock(newest.committed.time)}`;
      shown.show({
        columns: ['block', 'size', 'of 16 bits', 'block took', 'writing took', 'committed at'],
        rows: committed.map(({ block, committed: how, linears, phases }) => {
          const dense = linears.reduce((sum, { denseBytes }) => sum + denseBytes, 0);
          const packed = linears.reduce((sum, { bytes }) => sum + bytes, 0);
          const writing = phases.find(({ phase }) => phase === 'commit');
          return [
            block,
            how?.bytes === undefined ? bytesInWords(packed) : bytesInWords(how.bytes),
            dense > 0 ? `${((100 * packed) / dense).toFixed(2)} %` : undefined,
            how !== undefined && how.seconds > 0 ? secondsInWords(how.seconds) : undefined,
            writing && secondsInWords(writing.seconds),
            how && clock(how.time),
          ];
        }),
      });
    },
  };
}
