import type { TapSpec } from '@esparse/model';
import type { StatisticSketch } from '@esparse/statistics';
import { lastValueFrom, of } from 'rxjs';
import type { StarvedExpert } from '@esparse/model-store';
import { fallBack, starvedExperts } from './starved-experts.ts';

const TAPS: TapSpec[] = [
  { name: 'attn_in', channels: 2 },
  ...[0, 1, 10].map((expert) => ({ name: `experts.${expert}.mlp_in`, channels: 2, expert })),
];

/** A sketch of one statistic, by the tokens of each tap. */
function sketchOf(tokens: Readonly<Record<string, number>>): StatisticSketch {
  const states = Object.entries(tokens).map(
    ([tap, count]) => [`${tap}/count`, { statistic: { name: 'count' }, state: { tokens: count } }] as const,
  );
  return { shards: [0], states: new Map(states) } as unknown as StatisticSketch;
}

const FIRST = sketchOf({
  ...{ attn_in: 5, 'experts.0.mlp_in': 10, 'experts.1.mlp_in': 9, 'experts.10.mlp_in': 0 },
});

test('an expert is starved that saw fewer tokens than it must; what is no expert’s never is', () => {
  expect(starvedExperts(FIRST, TAPS, { name: 'count' }, 10)).toEqual([
    { expert: 1, tokens: 9 },
    { expert: 10, tokens: 0 },
  ]);
  expect(starvedExperts(FIRST, TAPS, { name: 'count' }, 1)).toEqual([{ expert: 10, tokens: 0 }]);
});

async function fallen(least: number) {
  const seen: { again: string[]; disposed: string[]; reported: StarvedExpert[] } = {
    ...{ again: [], disposed: [], reported: [] },
  };
  const sketch = await lastValueFrom(
    of(FIRST).pipe(
      fallBack({
        taps: TAPS,
        starved: (found) => starvedExperts(found, TAPS, { name: 'count' }, least),
        gather$(taps) {
          seen.again.push(...taps.map(({ name }) => name));
          return of(sketchOf(Object.fromEntries(taps.map(({ name }) => [name, 100]))));
        },
        dispose(states) {
          seen.disposed.push(...states.keys());
          return Promise.resolve();
        },
        report: (starved) => seen.reported.push(...starved),
      }),
    ),
  );
  const tokens = [...sketch.states].map(([name, { state }]) => [name, state.tokens]);
  return { ...seen, tokens: Object.fromEntries(tokens) as Record<string, number> };
}

test('a starved expert gets the statistics of all tokens, and its own are released; the others keep theirs', async () => {
  expect(await fallen(5)).toEqual({
    again: ['experts.10.mlp_in'],
    disposed: ['experts.10.mlp_in/count'],
    reported: [{ expert: 10, tokens: 0 }],
    tokens: {
      ...{ 'attn_in/count': 5, 'experts.0.mlp_in/count': 10, 'experts.1.mlp_in/count': 9 },
      'experts.10.mlp_in/count': 100,
    },
  });
  expect((await fallen(10)).again).toEqual(['experts.1.mlp_in', 'experts.10.mlp_in']);
});

test('where no expert is starved nothing is gathered again', async () => {
  const fed = sketchOf({ 'experts.0.mlp_in': 10 });
  const same = fallBack({
    taps: TAPS.slice(0, 2),
    starved: () => [],
    gather$: () => {
      throw new Error('gathered again');
    },
    dispose: () => Promise.reject(new Error('released')),
    report: () => {
      throw new Error('reported');
    },
  });
  expect(await lastValueFrom(of(fed).pipe(same))).toBe(fed);
});
