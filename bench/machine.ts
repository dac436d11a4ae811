import { cpus, loadavg, release, tmpdir } from 'node:os';
import { createReadMounts } from '../src/system/mountinfo.ts';

/** Where the numbers were taken: they mean nothing elsewhere. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly fileSystem: string;
  /** Of the last minute, before we began: above zero somebody else is measured too. */
  readonly load: number;
}

export const describeMachine = async (): Promise<Machine> => {
  const table = await createReadMounts()();
  const [load = 0] = loadavg();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    fileSystem: `${table.holding(tmpdir())?.fileSystem ?? 'unknown'} at ${tmpdir()}`,
    load,
  };
};
