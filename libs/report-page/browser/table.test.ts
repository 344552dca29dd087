import { csvOf } from './table.ts';

test('a file of rows quotes what needs it, and has nothing that a spreadsheet would compute', () => {
  const rows = [
    ['q_proj', 1.5],
    ['a "b", c', undefined],
    ['=HYPERLINK("x")', -1],
  ];
  expect(csvOf({ columns: ['linear', 'error'], rows })).toBe(
    ['linear,error', 'q_proj,1.5', '"a ""b"", c",', '"\'=HYPERLINK(""x"")",-1'].join('\r\n'),
  );
});
