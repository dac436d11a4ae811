import type { CallsReport } from './calls.ts';
import type { Machine } from './machine.ts';
import type { Memory } from './memory.ts';
import { FLOORS, IDLE_MEMORY_AIM, ROWS } from './rows.ts';
import type { ScaleReport } from './scale.ts';
import type { StartReport } from './start.ts';
import { type Cell, printTable } from './table.ts';
import type { Quantiles } from './tally.ts';

export const showMachine = ({ cpu, cores, kernel, node, fileSystem, load }: Machine): void => {
  process.stdout.write(
    `${cores} x ${cpu}, Linux ${kernel}, Node ${node}, ${fileSystem}, load ${load.toFixed(2)} before the run\n` +
      'The callers share these cores with the driver. Milliseconds, unless something else is said.\n',
  );
};

/** Beside each call its aim, and the bare work it cannot do without. */
export const showCalls = ({ rows }: CallsReport): void => {
  const callers = Object.keys(rows.Probe ?? {}).map(Number);
  const timesOf = (name: string): readonly Cell[] =>
    callers.flatMap((count) => [rows[name]?.[count]?.p50, rows[name]?.[count]?.p99]);
  const p50 = (name: string, count: number): number => rows[name]?.[count]?.p50 ?? Number.NaN;
  const heads = callers.flatMap((count) => [`${count}: p50`, 'p99']);
  const [fewest = 1] = callers;
  const most = callers.at(-1) ?? fewest;
  printTable(
    `Calls by number of callers; the floor is the bare work (below), else a Probe; its p50 is ${fewest} caller's`,
    ['call', ...heads, 'aim p50', 'floor p50', 'x floor', `x floor at ${most}`],
    ROWS.map(({ name, aimMs, floor = 'Probe' }) => [
      name,
      ...timesOf(name),
      aimMs,
      p50(floor, fewest),
      p50(name, fewest) / p50(floor, fewest),
      p50(name, most) / p50(floor, most),
    ]),
  );
  printTable(
    'The bare work, by a small process of its own',
    ['floor', ...heads, 'what'],
    Object.entries(FLOORS).map(([name, what]) => [name, ...timesOf(name), what]),
  );
};

export const showLoops = ({ loops }: CallsReport): void =>
  printTable(
    "The driver's event loop: milliseconds between the ticks of its clock, which idle shows as it is",
    ['during', 'p50', 'p99', 'max'],
    loops.map(({ during, delay }) => [during, delay.p50, delay.p99, delay.max]),
  );

export const showMemory = ({ memory }: CallsReport, { idle, steps }: ScaleReport, starts: readonly StartReport[]) =>
  printTable(
    `Memory in MB; aim for the private memory of an idle driver: ${IDLE_MEMORY_AIM / 1e6}`,
    ['when', 'private', 'RSS'],
    [
      ['idle', ...megabytes(idle)],
      ...steps.map(({ volumes, memory: grown }) => [`${volumes} volumes made`, ...megabytes(grown)]),
      ['after the calls above', ...megabytes(memory)],
      ...starts.map(({ volumes, memory: started }) => [`started with ${volumes} volumes`, ...megabytes(started)]),
    ],
  );

export const showScale = ({ steps }: ScaleReport): void =>
  printTable(
    'CreateVolume, one caller, by volumes that exist',
    ['volumes', 'p50', 'p99'],
    steps.map(({ volumes, create }) => [volumes, ...both(create)]),
  );

export const showStarts = (starts: readonly StartReport[]): void =>
  printTable(
    'From the start of the process to serving, by volumes that exist',
    ['volumes', 'ms'],
    starts.map(({ volumes, ms }) => [volumes, ms]),
  );

const both = ({ p50, p99 }: Quantiles): readonly Cell[] => [p50, p99];

const megabytes = ({ privateBytes, rss }: Memory): readonly Cell[] => [privateBytes / 1e6, rss / 1e6];
