/** What threads that describe models load first where `--family` is given: see `PluginLoader` of `@esparse/model`. */
import { addFamily } from './load-family.ts';

export default addFamily;
