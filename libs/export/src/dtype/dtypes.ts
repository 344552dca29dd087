import type { TensorDtype } from '@esparse/checkpoint';

/** The types that weights can be exported in, by the names of `--dtype`: safetensors' name and that of config.json. */
export const DTYPES = {
  bf16: { stored: 'BF16', config: 'bfloat16' },
  f16: { stored: 'F16', config: 'float16' },
  f32: { stored: 'F32', config: 'float32' },
} as const satisfies Readonly<Record<string, { readonly stored: TensorDtype; readonly config: string }>>;

export type ExportDtype = keyof typeof DTYPES;

/** The names of `--dtype`. */
export const EXPORT_DTYPES = Object.keys(DTYPES) as readonly ExportDtype[];

/** The name of a stored type. */
export function nameOf(dtype: TensorDtype): ExportDtype {
  return EXPORT_DTYPES.find((name) => DTYPES[name].stored === dtype)!;
}
