import { lstat, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateSnapshotResponse__Output } from '../../src/gen/csi/v1/CreateSnapshotResponse.ts';
import type { CreateVolumeResponse__Output } from '../../src/gen/csi/v1/CreateVolumeResponse.ts';
import type { ValidateVolumeCapabilitiesResponse__Output } from '../../src/gen/csi/v1/ValidateVolumeCapabilitiesResponse.ts';
import type { TestDriver } from './driver.ts';
import type { HostileCase } from './hostile-cases.ts';
import { type Fields, type Rpc, type Subject, validRequests } from './requests.ts';
import { createTally } from './tally.ts';
import { outcomeOf } from './volume.ts';

/** What hostile calls came to: a table of the answers, and each kind of wrong answer once, in words. */
export interface HostileReport {
  readonly table: string;
  readonly wrong: readonly string[];
}

/** Sends every case, and takes back what succeeds. `driver.root` is where its volumes can be seen. */
export const runHostile = async (
  driver: TestDriver,
  subject: Subject,
  cases: readonly HostileCase[],
): Promise<HostileReport> => {
  const tally = createTally();
  const wrong = new Map<string, string>();
  const answerTo = createAsker(driver, subject);
  const take = async (one: HostileCase): Promise<void> => {
    const answer = await answerTo(one);
    tally.count(one.rpc, answer.code);
    for (const complaint of complaints(one, answer)) {
      wrong.set(complaint, `${complaint}: ${shorten(JSON.stringify(one.fields))}: ${shorten(answer.details)}`);
    }
  };
  // What is to be refused may come all at once; what may succeed uses the same paths.
  const refused = cases.filter(({ codes }) => !codes.includes('OK'));
  for (let start = 0; start < refused.length; start += 32) {
    await Promise.all(refused.slice(start, start + 32).map(take));
  }
  for (const one of cases.filter(({ codes }) => codes.includes('OK'))) await take(one);
  return { table: tally.format('hostile input'), wrong: [...wrong.values()] };
};

interface Answer {
  readonly code: string;
  readonly details: string;
}

const createAsker = (driver: TestDriver, subject: Subject) => {
  const send = validRequests(driver, subject);

  /** Undoes what has succeeded, so that no case meets what another one has left. Answers what was wrong with it. */
  const takeBack: { readonly [rpc in Rpc]?: (fields: Fields, response: unknown) => Promise<string | undefined> } = {
    CreateVolume: async (_, response) => {
      const { volume } = response as CreateVolumeResponse__Output;
      const directory = volume?.volume_context.directory ?? '';
      const isMade = !directory.includes('/') && (await lstat(join(driver.root, directory))).isDirectory();
      await driver.controller.DeleteVolume({ volume_id: volume?.volume_id ?? '' });
      return isMade && !(await readdir(driver.root)).includes(directory) ? undefined : `made at ${directory}`;
    },
    CreateSnapshot: async (_, response) => {
      const { snapshot } = response as CreateSnapshotResponse__Output;
      await driver.controller.DeleteSnapshot({ snapshot_id: snapshot?.snapshot_id ?? '' });
      return snapshot?.ready_to_use ? undefined : 'not ready';
    },
    NodeStageVolume: async ({ staging_target_path: path = subject.freeStaging }) => {
      await send.NodeUnstageVolume({ staging_target_path: path });
      if (path !== subject.freeStaging) await rmdir(String(path));
      return undefined;
    },
    NodePublishVolume: async ({ target_path: path = subject.freeTarget }) => {
      await send.NodeUnpublishVolume({ target_path: path });
      return undefined;
    },
  };

  return async ({ rpc, fields }: HostileCase): Promise<Answer> => {
    const sent = send[rpc](fields);
    const outcome = await outcomeOf(sent);
    if (outcome.code !== 'OK') return outcome;
    const response = await sent;
    const problem = (await takeBack[rpc]?.(fields, response)) ?? '';
    const isRefusal = rpc === 'ValidateVolumeCapabilities' && !isConfirmed(response);
    return { code: isRefusal ? 'UNCONFIRMED' : 'OK', details: problem };
  };
};

const isConfirmed = (response: unknown): boolean =>
  (response as ValidateVolumeCapabilitiesResponse__Output).confirmed !== null;

const complaints = ({ rpc, field, codes }: HostileCase, { code, details }: Answer): readonly string[] => {
  const mustName = code === 'INVALID_ARGUMENT' || code === 'OUT_OF_RANGE';
  return [
    ...(codes.includes(code) ? [] : [`${rpc} ${field}: ${code}, not ${codes.join(' or ')}`]),
    ...(mustName && !details.includes(field) ? [`${rpc} ${field}: ${code} that does not name the field`] : []),
    ...(code === 'OK' && details !== '' ? [`${rpc} ${field}: ${details}`] : []),
    ...(/\p{Cc}/u.test(details) ? [`${rpc} ${field}: control characters in the message`] : []),
    ...(details.length > 5000 ? [`${rpc} ${field}: a message of ${details.length} characters`] : []),
  ];
};

const shorten = (text: string): string => (text.length > 160 ? `${text.slice(0, 160)}…` : text);
