import { runServe } from '../../src/cli/serve.ts';

/** The driver with a mistake in it: the second record that it makes is one too many. */
let made = 0;
const fail = (name: string): void => {
  if (name === 'record made') made += 1;
  if (made === 2) throw new TypeError('a mistake of the program');
};

process.exit(await runServe(process.argv.slice(3), process.env, fail));
