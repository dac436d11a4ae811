#!/usr/bin/env node
import { runCheck } from './cli/check.ts';
import { runDemo } from './cli/demo.ts';
import { help } from './cli/help.ts';
import { runServe } from './cli/serve.ts';
import { listVolumes } from './cli/volumes.ts';
import { ConfigError } from './config.ts';
import { noStep } from './host/step.ts';
import { VERSION } from './version.ts';

/** Runs one command; answers the exit status of the process. */
const run = async ([command = 'help', ...args]: readonly string[]): Promise<number> => {
  if (command.startsWith('--version')) return print(`csi-subdir ${VERSION}\n`);
  if (command === 'help' || [command, ...args].includes('--help')) return print(help());
  switch (command) {
    case 'serve':
      return runServe(args, process.env, noStep);
    case 'check':
      return runCheck(args, process.env);
    case 'volumes':
      return listVolumes(args, process.env);
    case 'demo':
      return runDemo(args);
    default:
      throw new ConfigError([`unknown command ${JSON.stringify(command)}: see csi-subdir help`]);
  }
};

const print = (text: string): number => {
  process.stdout.write(text);
  return 0;
};

run(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (thrown: unknown) => {
    const problems =
      thrown instanceof ConfigError ? thrown.problems : [thrown instanceof Error ? thrown.message : String(thrown)];
    for (const problem of problems) process.stderr.write(`csi-subdir: ${problem}\n`);
    process.exit(2);
  },
);
