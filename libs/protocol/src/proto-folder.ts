import { createRequire } from 'node:module';
import path from 'node:path';

/** Folder of the `.proto` files: that of the package `@esparse/proto`, wherever it is installed. */
export const PROTO_FOLDER = path.dirname(
  createRequire(import.meta.url).resolve('@esparse/proto/package.json'),
);
