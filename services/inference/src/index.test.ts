import * as inference from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(inference).sort()).toMatchInlineSnapshot();
});
