/**
 * What s3rver lacks of multipart uploads, on the files in which it keeps them: to list those that are open, to list the
 * parts of one, and to end one.
 */
import fs from 'node:fs/promises';
import path from 'node:path';

/** Uploads of a page. S3 has a thousand; so few make every listing of more a test of its pages. */
const PAGE = 2;

export function withUploads(directory) {
  return async (ctx, next) => {
    const [, bucket, ...rest] = decodeURIComponent(ctx.path).split('/');
    const key = rest.join('/');
    const folder = path.join(directory, bucket, '._S3rver_uploads');
    const { uploads, uploadId } = ctx.query;
    if (ctx.method === 'GET' && key === '' && uploads !== undefined) {
      return answer(ctx, 'ListMultipartUploadsResult', await listUploads(folder, ctx.query));
    }
    if (!['GET', 'DELETE'].includes(ctx.method) || uploadId === undefined) return next();
    const names = await fs.readdir(path.join(folder, uploadId)).catch(() => undefined);
    if (names === undefined) {
      ctx.status = 404;
      return answer(ctx, 'Error', element('Code', 'NoSuchUpload'));
    }
    if (ctx.method === 'GET') {
      return answer(ctx, 'ListPartsResult', await listParts(path.join(folder, uploadId), names));
    }
    await fs.rm(path.join(folder, uploadId), { recursive: true });
    ctx.status = 204;
  };
}

async function listUploads(folder, { prefix = '', 'key-marker': key = '', 'upload-id-marker': id = '' }) {
  const ids = await fs.readdir(folder).catch(() => []);
  const all = await Promise.all(
    ids.map(async (upload) => [await fs.readFile(path.join(folder, upload, 'key'), 'utf8'), upload]),
  );
  const left = all
    .filter(([name, upload]) => name.startsWith(prefix) && (name > key || (name === key && upload > id)))
    .sort(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1));
  const page = left.slice(0, PAGE);
  const [lastKey, lastId] = page.at(-1) ?? [];
  const more = left.length > PAGE;
  return (
    element('IsTruncated', more) +
    (more ? element('NextKeyMarker', lastKey) + element('NextUploadIdMarker', lastId) : '') +
    page
      .map(([name, upload]) => `<Upload>${element('Key', name)}${element('UploadId', upload)}</Upload>`)
      .join('')
  );
}

async function listParts(folder, names) {
  const parts = names.filter((name) => /^\d+$/.test(name));
  const sizes = await Promise.all(parts.map(async (name) => (await fs.stat(path.join(folder, name))).size));
  const part = (name, i) => `<Part>${element('PartNumber', name)}${element('Size', sizes[i])}</Part>`;
  return element('IsTruncated', false) + parts.map(part).join('');
}

function element(name, value) {
  return `<${name}>${String(value).replace(/&/g, '&amp;').replace(/</g, '&lt;')}</${name}>`;
}

function answer(ctx, name, content) {
  ctx.type = 'application/xml';
  ctx.body = `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${content}</${name}>`;
}
