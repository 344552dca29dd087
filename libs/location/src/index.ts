/** Where a model or a store is, by the text of an option: a folder, `s3://bucket/prefix`, or `https://host/path/`. */
export {
  formatLocation,
  isWithin,
  nameOfLocation,
  parseLocation,
  resolveLocation,
  showLocation,
  type FolderLocation,
  type HttpLocation,
  type Location,
  type S3Location,
} from './location.ts';
