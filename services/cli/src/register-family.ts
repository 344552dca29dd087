/** What threads that describe models load first where `--family` is given: see `FamilyLoader` of `@esparse/model`. */
import { addFamily } from './load-family.ts';

export default addFamily;
