import * as inference from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(inference).sort()).toMatchInlineSnapshot(`
   [
     "DEFAULT_DRAIN_SECONDS",
     "DEFAULT_MAX_CONNECTIONS",
     "DEFAULT_MAX_QUEUE",
     "DEFAULT_MAX_SEQUENCES",
     "DEFAULT_REQUEST_SECONDS",
     "MAX_BODY_BYTES",
     "startServer",
   ]
  `);
});
