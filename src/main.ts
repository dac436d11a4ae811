#!/usr/bin/env -S MALLOC_ARENA_MAX=1 node --max-semi-space-size=4
import { ConfigError } from './config/error.ts';
import { VERSION } from './config/version.ts';
import { noStep } from './system/step.ts';

/** Runs one command; answers the exit status of the process. A command's code is loaded when it is wanted. */
const run = async ([command = 'help', ...args]: readonly string[]): Promise<number> => {
  if (command === '--version') return print(`csi-subdir ${VERSION}\n`);
  if (command === 'help' || [command, ...args].includes('--help')) return print((await import('./cli/help.ts')).help());
  switch (command) {
    case 'serve':
      return (await import('./cli/serve.ts')).runServe(args, process.env, noStep);
    case 'check':
      return (await import('./cli/check.ts')).runCheck(args, process.env);
    case 'volumes':
      if (args[0] === 'enforce')
        return (await import('./cli/enforce.ts')).enforceSizes(args.slice(1), process.env, noStep);
      if (args[0] === 'adopt') return (await import('./cli/adopt.ts')).adoptVolumes(args.slice(1), process.env);
      if (args[0] === 'orphans') return (await import('./cli/orphans.ts')).manageOrphans(args.slice(1), process.env);
      return (await import('./cli/volumes.ts')).listVolumes(args, process.env);
    case 'worker':
      return (await import('./worker/worker-process.ts')).serveWorker(args, noStep);
    case 'demo':
      return (await import('./cli/demo.ts')).runDemo(args);
    default:
      throw new ConfigError([`unknown command ${JSON.stringify(command)}: see csi-subdir help`]);
  }
};

const print = (text: string): number => {
  process.stdout.write(text);
  return 0;
};

/** A command has no log: the cause of an internal error is part of the message. */
const describe = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message}: ${thrown.cause.message}` : thrown.message;
};

run(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (thrown: unknown) => {
    const problems = thrown instanceof ConfigError ? thrown.problems : [describe(thrown)];
    for (const problem of problems) process.stderr.write(`csi-subdir: ${problem}\n`);
    process.exit(2);
  },
);
