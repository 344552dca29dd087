import { Command, Option } from 'commander';
import { exportRun, FORMATS, type ExportProgress } from '@esparse/export';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { jsonOption, required, runOption, storeOption } from '../options/shared.ts';
import { createProgress } from '../progress.ts';
import { bytes } from '../table.ts';

interface Flags extends FamilyFlags {
  readonly store: string;
  readonly run?: string;
  readonly out: string;
  readonly format: string;
  readonly json: boolean;
}

/** `esparse export` */
export function exportCommand(): Command {
  const formats = FORMATS.map(({ name, description }) => `${name}: ${description}`).join('; ');
  return new Command('export')
    .description(
      'Writes a run of a store in the format of other programs. Stopped, the same command goes on.',
    )
    .addOption(storeOption())
    .addOption(runOption())
    .addOption(
      required(
        '--out <path>',
        'where to: an empty or new folder, or the new file where the format is one file',
        'ESPARSE_OUT',
      ),
    )
    .addOption(
      new Option('--format <name>', formats)
        .choices(FORMATS.map(({ name }) => name))
        .default('safetensors')
        .env('ESPARSE_FORMAT'),
    )
    .addOption(familyOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { store, run: named, out, format, json, family }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadedFamily({ family });
  const progress = createProgress(process.stderr);
  try {
    const report = await exportRun({
      run: await (await openStore(store)).openRun(named),
      format: FORMATS.find(({ name }) => name === format)!,
      out,
      signal,
      onProgress: (at) => {
        progress.show(lineOf(at));
      },
    });
    progress.end();
    const { files, bytes: size } = report;
    process.stdout.write(
      json
        ? `${JSON.stringify({ store, ...report })}\n`
        : `${out}: ${files} ${files === 1 ? 'file' : 'files'}, ${bytes(size)} (${format}, run ${report.run})\n`,
    );
  } finally {
    progress.end();
  }
}

function lineOf({ file, bytes: done, totalBytes }: ExportProgress): string {
  const share = totalBytes === 0 ? 100 : Math.floor((100 * done) / totalBytes);
  return `exporting: ${share} %, ${bytes(done)} of ${bytes(totalBytes)}, ${file}`;
}
