import { layersOf } from './layers.ts';

const graph = (edges: readonly (readonly [string, string])[]) => {
  const ids = [...new Set(edges.flat())];
  return {
    nodes: ids.map((id) => ({ id, kind: 'step', label: id })),
    edges: edges.map(([from, to]) => ({ from, to })),
  };
};

test('every edge leads downwards, and what nothing comes before stands right above what needs it', () => {
  const layers = layersOf(
    graph([
      ['tap', 'entropy'],
      ['entropy', 'metric'],
      ['load', 'metric'],
      ['metric', 'pack'],
      ['tap', 'sample'],
      ['sample', 'pack'],
    ]),
  );
  expect(layers).toEqual([['tap'], ['entropy', 'load', 'sample'], ['metric'], ['pack']]);
});

test('a row that is too long for words is parted, and a ring comes to an end', () => {
  const wide = layersOf(graph(['a', 'b', 'c', 'd', 'e'].map((id) => [id, 'end'] as const)));
  expect(wide).toEqual([['a', 'b', 'c', 'd'], ['e'], ['end']]);
  expect(
    layersOf(
      graph([
        ['a', 'b'],
        ['b', 'a'],
      ]),
    ).flat(),
  ).toEqual(expect.arrayContaining(['a', 'b']));
});
