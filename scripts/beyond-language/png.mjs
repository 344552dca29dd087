/** Pictures of grey values as PNG, as a browser takes them inside an SVG. */
import { crc32, deflateSync } from 'node:zlib';

/** @param grey 0 to 1, row by row. @param levels fewer of them, smaller files */
export function pngAddress(grey, width, height, levels = 32) {
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = Math.min(1, Math.max(0, grey[y * width + x]));
      rows[y * (width + 1) + 1 + x] = Math.round((Math.round(value * (levels - 1)) / (levels - 1)) * 255);
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  // 8 bits of grey.
  head.writeUInt8(8, 8);
  const parts = [
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ];
  const file = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
  return `data:image/png;base64,${file.toString('base64')}`;
}

function chunk(name, data) {
  const named = Buffer.concat([Buffer.from(name), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}
