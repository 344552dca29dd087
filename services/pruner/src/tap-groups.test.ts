import { thrownBy } from '@esparse/laws';
import type { TapSpec } from '@esparse/model';
import { statisticsMemory, tapGroups } from './tap-groups.ts';

const TAPS: TapSpec[] = [
  { name: 'attn_in', channels: 4 },
  { name: 'attn_out', channels: 4 },
  ...[0, 1, 2].flatMap((expert) => [
    { name: `experts.${expert}.mlp_in`, channels: 4, expert },
    { name: `experts.${expert}.mlp_out`, channels: 6, expert },
  ]),
];

const groupsOf = (limit: number) =>
  tapGroups(TAPS, ({ channels }) => channels, limit).map((group) => group.map(({ name }) => name));

test('experts are gathered together as long as their statistics fit; each keeps its taps together', () => {
  expect(groupsOf(38)).toEqual([TAPS.map(({ name }) => name)]);
  expect(groupsOf(37)).toEqual([
    ['attn_in', 'attn_out', ...[0, 1].flatMap((e) => [`experts.${e}.mlp_in`, `experts.${e}.mlp_out`])],
    ['experts.2.mlp_in', 'experts.2.mlp_out'],
  ]);
});

test('what does not fit at all is gathered by itself', () => {
  expect(groupsOf(1)).toEqual([
    ['attn_in', 'attn_out'],
    ...[0, 1, 2].map((expert) => [`experts.${expert}.mlp_in`, `experts.${expert}.mlp_out`]),
  ]);
});

test('the memory that they may take is said in GiB', () => {
  expect(statisticsMemory()).toBe(2 ** 31);
  process.env.ESPARSE_STATISTICS_MEMORY = '0.5';
  expect(statisticsMemory()).toBe(2 ** 29);
  process.env.ESPARSE_STATISTICS_MEMORY = 'plenty';
  expect(thrownBy(statisticsMemory)).toMatchObject({ kind: 'usage' });
  delete process.env.ESPARSE_STATISTICS_MEMORY;
});

test('a block without taps has one group, of none', () => {
  expect(tapGroups([], () => 1)).toEqual([[]]);
});
