import { loadConfig } from '../config/config.ts';
import { startDriver } from '../server/driver.ts';
import { createLog } from '../system/log.ts';
import { keepHeapSmall } from '../system/memory.ts';
import type { Step } from '../system/step.ts';

/** Serves until SIGTERM or SIGINT; a second one leaves at once. */
export const runServe = async (args: readonly string[], env: NodeJS.ProcessEnv, step: Step): Promise<number> => {
  keepHeapSmall();
  const config = await loadConfig(args, env);
  const log = createLog(config.options.logLevel);
  // The last resort: what nobody has caught is a mistake in this program. The volumes of all others need it to run on.
  process.on('uncaughtException', (err, origin) => log.error({ err, origin }, 'unexpected error'));
  const driver = await startDriver(config, log, step);
  const signal = await nextSignal();
  void nextSignal().then(() => process.exit(1));
  log.info({ signal }, 'stopping');
  await driver.stop();
  log.info({}, 'stopped');
  return 0;
};

const nextSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    const signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'];
    const take = (signal: NodeJS.Signals): void => {
      for (const one of signals) process.off(one, take);
      resolve(signal);
    };
    for (const one of signals) process.on(one, take);
  });
