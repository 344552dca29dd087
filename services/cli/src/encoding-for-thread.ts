/** What threads that read stores load first where `--encoding` is given: see `PluginLoader` of `@esparse/model`. */
import { addEncoding } from './load-encoding.ts';

export default addEncoding;
