import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeHome, removeHome, startDriver, type TestDriver } from '../support/driver.ts';
import { EXPORT, type Server, until, variable } from './ground.ts';

export interface NfsSettings {
  /** For every mount, a volume's and the controller's own. */
  readonly mountOptions?: readonly string[];
  /** The controller works in the exported directory itself. */
  readonly local?: boolean;
  readonly more?: Readonly<Record<string, unknown>>;
  /** Left out: the export that both servers have. */
  readonly exported?: string;
}

export interface SharedOptions {
  readonly home?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the one that ships. */
  readonly entry?: string;
  /** A command that becomes the driver: it is given the driver's command as its last arguments. */
  readonly through?: readonly string[];
  /** Do not wait until the pools are open. */
  readonly impatient?: boolean;
}

/** A pool of the configuration on one of the servers. */
export const poolOn = (server: Server, settings: NfsSettings = {}): Readonly<Record<string, unknown>> => {
  const { mountOptions = [], local = false, more, exported = EXPORT } = settings;
  const patient = ['soft', 'timeo=30', 'retrans=2', 'actimeo=1'];
  const controller = local ? { localPath: server.directory } : { mountOptions: [...patient, ...mountOptions] };
  return {
    nfs: { server: server.address, export: exported, mountOptions, controller },
    capacity: '200Gi',
    inlineCapacity: '50Gi',
    ...more,
  };
};

/** Bounds for a busy machine, where a test is not about the bounds: the guest's processor is emulated. */
export const PATIENT = [
  ...['--call-timeout-ms', '300000', '--stage-timeout-ms', '300000'],
  ...['--deadline-factor', '4'],
] as const;

/** The shared driver with its pools, the first of which is called `main`. */
export const startShared = async (
  { main, ...pools }: { readonly main: object } & Readonly<Record<string, object>>,
  options: SharedOptions = {},
): Promise<TestDriver> => {
  const home = options.home ?? (await makeHome());
  await mkdir(mountDirOf(home), { recursive: true });
  const driver = await startDriver({
    home,
    pool: { hostPath: undefined, ...main },
    pools,
    flags: ['--mount-dir', mountDirOf(home), ...(options.flags ?? [])],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.through === undefined ? {} : { through: options.through }),
    entry: options.entry ?? variable('DRIVER'),
  });
  if (options.impatient !== true && !options.flags?.includes('node')) {
    const isOpen = (pool: string) => new RegExp(`"pool":"${pool}".*"msg":"pool opened"`).test(driver.output());
    await until('the pools are open', 180_000, () => ['main', ...Object.keys(pools)].every(isOpen)).catch(
      (thrown: unknown) => {
        throw new Error(`${thrown}: ${driver.output().slice(-4_000)}`);
      },
    );
  }
  return driver;
};

export const mountDirOf = (home: string): string => join(home, 'mounts');

/** Stops a driver for good. Fails where it has left a mount. */
export const endShared = async (driver: TestDriver): Promise<void> => {
  await driver.stop();
  await removeHome(driver.home);
};

/** The value of a metric without labels. */
export const metricOf = async ({ httpPort }: TestDriver, name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
};
