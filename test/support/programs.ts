import { resolve } from 'node:path';
import { build } from 'esbuild';

/** Drivers with points at which something befalls them, as one file each: they start in half the time of their sources. */
export type Program = 'crash-driver' | 'faulty-driver' | 'pausing-driver' | 'slow-driver';

export const programPath = (program: Program): string => resolve(FOLDER, `${program}.mjs`);

/** Vitest runs this once, before the tests of the driver. */
export const setup = async (): Promise<void> => {
  await build({
    entryPoints: PROGRAMS.map((program) => resolve(import.meta.dirname, `${program}.ts`)),
    outdir: FOLDER,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
};

const FOLDER = resolve(import.meta.dirname, '../../dist/test');
const PROGRAMS: readonly Program[] = ['crash-driver', 'faulty-driver', 'pausing-driver', 'slow-driver'];
