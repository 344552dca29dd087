import type { TensorDtype } from '@esparse/checkpoint';
import type { RunTensors } from '@esparse/model-store';
import { modelTensors, type ExportSource } from '../source.ts';
import { DTYPES, nameOf, type ExportDtype } from './dtypes.ts';
import { holds, rounded } from './rounded.ts';

/** How many tensors of a type were rounded to another one, which does not have all of its numbers. */
export interface RoundedTensors {
  readonly from: ExportDtype;
  readonly to: ExportDtype;
  readonly tensors: number;
}

/** A run whose matrices are of one type, vectors as they are. Each is converted when it is read: see `rounded`. */
export function matricesIn(source: ExportSource, dtype: ExportDtype): ExportSource {
  return { ...source, tensors: converted(source.tensors, dtype, (shape) => shape.length > 1) };
}

/** A run whose tensors are all of one type, and whose config.json says so. */
export function allIn(source: ExportSource, dtype: ExportDtype): ExportSource {
  const { config, layout, tensors } = source;
  const { stored } = DTYPES[dtype];
  return {
    ...source,
    config: configNaming(config, dtype),
    layout: layout && {
      files: layout.files,
      tensors: new Map([...layout.tensors].map(([name, [, file]]) => [name, [stored, file] as const])),
    },
    tensors: converted(tensors, dtype, () => true),
  };
}

/** A config.json that names a type, in the fields in which it named one. */
export function configNaming(config: ExportSource['config'], dtype: ExportDtype): ExportSource['config'] {
  const fields = ['dtype', 'torch_dtype'].filter((field) => field in config);
  const types = Object.fromEntries<string>(
    (fields.length === 0 ? ['torch_dtype'] : fields).map((field) => [field, DTYPES[dtype].config]),
  );
  return { ...config, ...types };
}

function converted(
  tensors: RunTensors,
  dtype: ExportDtype,
  isMeant: (shape: readonly number[]) => boolean,
): RunTensors {
  const typeOf = (own: TensorDtype, shape: readonly number[]) => (isMeant(shape) ? dtype : nameOf(own));
  return {
    mask: (name, signal) => tensors.mask(name, signal),
    order: (name, signal) => tensors.order(name, signal),
    async info(name) {
      const info = await tensors.info(name);
      return { ...info, dtype: DTYPES[typeOf(info.dtype, info.shape)].stored };
    },
    async read(name, signal) {
      const { dtype: own, shape } = await tensors.info(name);
      return rounded(await tensors.read(name, signal), own, typeOf(own, shape), name);
    },
  };
}

/** What is rounded where a run is read as another one of it: empty where every number stays what it is. */
export async function roundedBetween(source: ExportSource, other: ExportSource): Promise<RoundedTensors[]> {
  const found = new Map<string, RoundedTensors>();
  for (const { name } of modelTensors(source.description)) {
    const [from, to] = [await source.tensors.info(name), await other.tensors.info(name)].map(({ dtype }) =>
      nameOf(dtype),
    ) as [ExportDtype, ExportDtype];
    if (holds(to, DTYPES[from].stored)) continue;
    const before = found.get(`${from} ${to}`)?.tensors ?? 0;
    found.set(`${from} ${to}`, { from, to, tensors: before + 1 });
  }
  return [...found.values()];
}
