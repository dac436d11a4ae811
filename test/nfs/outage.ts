import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDriver } from '../support/driver.ts';
import { type Times, watchRounds } from './bystander.ts';
import { type Answer, type Call, callsFor, measure, pathsFor } from './calls.ts';
import { A, type Fault, type Remedy, srv, until } from './ground.ts';
import { metricOf } from './shared-driver.ts';
import { inSeconds, median, printTable } from './table.ts';

/** The driver's own bounds, and what a slow machine may add. */
const BOUND_MS = 15_000;
const STAGE_BOUND_MS = 30_000;
const SLACK_MS = 3_000;
/** What does not need the server may not wait for it. */
const AT_ONCE_MS = 3_000;
/** TCP tries a peer that was away again after a while, which doubles each time. */
const RECOVERY_MS = 90_000;
/** 16 per server, one worker per pool, and what the other pool runs. */
const MOST_CHILDREN = 24;

/**
 * Something befalls server A, on which pool `main` lies, while every RPC is asked of it: at once when it happens, and
 * three times more when it is known. Meanwhile something else uses pool `spare` on server B.
 */
export const suffer = async (driver: TestDriver, fault: Fault, remedy: Remedy | undefined): Promise<void> => {
  const calls = callsFor(driver, 'main');
  for (const { prepare } of calls) await prepare();
  const before = await rounds(driver, 8_000);
  const pod = await runPod(driver);
  const children = countChildren(driver);
  const otherPool = watchRounds(driver, 'spare');
  await srv(fault, A);
  const first = await askAll(driver, calls);
  const later: Answer[][] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    later.push(await askAll(driver, calls));
    await sleep(1_000);
  }
  const during = await otherPool.stop();
  if (remedy !== undefined) await srv(remedy, A);
  const recovered = await recover(calls);
  pod.kill();
  const mostChildren = await children.stop();

  print(fault, calls, first, later, before, during);
  const facts = { 'recovered after': `${inSeconds(recovered)} s`, 'most children': mostChildren };
  console.info(
    `        ${JSON.stringify({ ...facts, 'rounds of B': during.rounds, 'slowest of B, ms': Math.round(during.slowestMs) })}`,
  );
  const problems = [
    ...calls.flatMap((call, index) => judge(call, first[index], fault)),
    ...later.flatMap((answers) => judgeLater(calls, answers, fault)),
    ...during.failures.map((failure) => `B: ${failure}`),
    ...(mostChildren > MOST_CHILDREN ? [`${mostChildren} children at a time`] : []),
    ...(during.slowestMs > BOUND_MS ? [`B: a call took ${inSeconds(during.slowestMs)} s`] : []),
  ];
  await until(
    'the children have gone',
    60_000,
    async () => (await metricOf(driver, 'csi_subdir_subprocesses_running')) <= 2,
  );
  if (problems.length > 0) console.info(internalErrors(driver));
  assert.deepEqual(problems, []);
};

/** What the log says of answers that say nothing. */
const internalErrors = (driver: TestDriver): string =>
  driver
    .output()
    .split('\n')
    .filter((line) => line.includes('"code":"Internal"'))
    .slice(-3)
    .join('\n');

const METRICS = 'GET /metrics';

/** All at the same time; the metrics beside them. */
const askAll = async (driver: TestDriver, calls: readonly Call[]): Promise<Answer[]> => {
  const metrics = measure(() => metricOf(driver, 'csi_subdir_subprocesses_running'));
  return Promise.all([...calls.map(({ send }) => measure(send)), metrics]);
};

const rounds = async (driver: TestDriver, ms: number): Promise<Times> => {
  const watch = watchRounds(driver, 'spare');
  await sleep(ms);
  return watch.stop();
};

/** A process that works in the volume that is to be unpublished: an unmount is refused, however politely asked. */
const runPod = async (driver: TestDriver) => {
  const { target } = await pathsFor(driver, 'main-nodeunpublishvolume');
  return spawn('sleep', ['600'], { cwd: target, stdio: 'ignore' });
};

const countChildren = ({ pid }: TestDriver) => {
  let most = 0;
  const timer = setInterval(async () => {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    most = Math.max(most, children.split(' ').length - 1);
  }, 250);
  return {
    stop: async () => {
      clearInterval(timer);
      return most;
    },
  };
};

/** Every call succeeds again, by being asked again; answers how long that took. */
const recover = async (calls: readonly Call[]): Promise<number> => {
  const started = performance.now();
  const again = async ({ rpc, send }: Call): Promise<void> => {
    let last = '';
    await until(rpc, RECOVERY_MS, async () => {
      const { code, details } = await measure(send);
      last = `${code} ${details}`;
      return code === 'OK';
    }).catch((thrown: unknown) => assert.fail(`${thrown}: ${last}`));
  };
  await Promise.all(calls.map(again));
  return performance.now() - started;
};

const SILENT: readonly string[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED'];
/** A server that says no is asked every time: it may say yes. */
const SAYS_NO: readonly Fault[] = ['hide', 'close', 'reboot'];

/** What is wrong with an answer. A server that has come back as another is found again, so its calls may succeed. */
const judge = ({ rpc, needs }: Call, answer: Answer | undefined, fault: Fault): readonly string[] => {
  const { code = 'none', details = '', ms = Number.NaN, value } = answer ?? {};
  const allowed = needs === 'nothing' ? ['OK'] : fault === 'reboot' ? [...SILENT, 'OK'] : SILENT;
  const boundMs = (rpc === 'NodeStageVolume' ? STAGE_BOUND_MS : BOUND_MS) + SLACK_MS;
  const isWrong = !allowed.includes(code) || !(ms <= boundMs);
  return [
    ...(isWrong ? [`${rpc}: ${code} after ${inSeconds(ms)} s: ${details}`] : []),
    ...(rpc === 'NodeGetVolumeStats' ? judgeStats(value) : []),
  ];
};

/** Of a server that is silent, one call may be the one that tries it; the others fail at once. */
const judgeLater = (calls: readonly Call[], answers: readonly Answer[], fault: Fault): readonly string[] => {
  const slow = calls.filter((_, index) => (answers[index]?.ms ?? 0) > AT_ONCE_MS);
  return [
    ...calls.flatMap((call, index) => judge(call, answers[index], fault)),
    ...(slow.length > 1 && !SAYS_NO.includes(fault)
      ? [`slow though known: ${slow.map(({ rpc }) => rpc).join(', ')}`]
      : []),
  ];
};

const judgeStats = (value: unknown): readonly string[] => {
  const { usage = [], volume_condition } = (value ?? {}) as {
    readonly usage?: readonly unknown[];
    readonly volume_condition?: { readonly abnormal: boolean } | null;
  };
  const isRight = usage.length > 0 && volume_condition?.abnormal === true;
  return isRight
    ? []
    : [`NodeGetVolumeStats: expected the last known value and an abnormal condition: ${JSON.stringify(value)}`];
};

const print = (
  fault: Fault,
  calls: readonly Call[],
  first: readonly Answer[],
  later: readonly (readonly Answer[])[],
  before: Times,
  during: Times,
): void => {
  const cell = (ms: number): string => (Number.isNaN(ms) ? '' : inSeconds(ms));
  const row = (rpc: string, index: number): readonly string[] => {
    const known = later.map((answers) => answers[index]).filter((answer) => answer !== undefined);
    return [
      rpc,
      fault,
      first[index]?.code ?? '',
      cell(first[index]?.ms ?? Number.NaN),
      [...new Set(known.map(({ code }) => code))].join(' '),
      cell(median(known.map(({ ms }) => ms))),
      cell(before.medianOf(rpc)),
      cell(during.medianOf(rpc)),
    ];
  };
  const head = ['RPC', 'fault of A', 'first', 's', 'known', 's', 'B p50', 'during'];
  printTable([head, ...[...calls.map(({ rpc }) => rpc), METRICS].map(row)]);
};
