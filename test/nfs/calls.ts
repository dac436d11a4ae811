import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestDriver } from '../support/driver.ts';
import {
  createVolume,
  GIB,
  mountCapability,
  outcomeOf,
  publish,
  stage,
  unpublish,
  unstage,
} from '../support/volume.ts';

/** One RPC for a pool, on a volume of its own, so that none waits for another's lock. */
export interface Call {
  readonly rpc: string;
  /** What the call needs to be there: made anew, whatever an earlier round has left. */
  readonly prepare: () => Promise<unknown>;
  readonly send: () => Promise<unknown>;
  /** Can it be answered while the server is silent? */
  readonly needs: 'server' | 'nothing';
}

export interface Answer {
  readonly code: string;
  readonly details: string;
  readonly ms: number;
  readonly value: unknown;
}

/** How a call ends, and when. */
export const measure = async (send: () => Promise<unknown>): Promise<Answer> => {
  const started = performance.now();
  let value: unknown;
  const outcome = await outcomeOf(
    send().then((given) => {
      value = given;
    }),
  );
  return { ...outcome, ms: performance.now() - started, value };
};

/** Every RPC that has to do with a pool, each by itself. */
export const callsFor = (driver: TestDriver, pool: string): readonly Call[] => {
  const { controller, identity, node } = driver;
  const on = (rpc: string) => requestsFor(driver, pool, `${pool}-${rpc.toLowerCase()}`);
  const free = (rpc: string, send: () => Promise<unknown>): Call => ({
    rpc,
    needs: 'nothing',
    prepare: async () => {},
    send,
  });
  const bound = (rpc: keyof Requests, needs: Call['needs'], ...before: readonly (keyof Requests)[]): Call => {
    const requests = on(rpc);
    return { rpc, needs, prepare: () => inOrder(requests, [...TAKE_DOWN, ...before]), send: requests[rpc] };
  };
  return [
    free('Probe', () => identity.Probe({})),
    free('ListVolumes', () => controller.ListVolumes({})),
    free('GetCapacity', () => controller.GetCapacity({ parameters: { pool } })),
    free('NodeGetInfo', () => node.NodeGetInfo({})),
    bound('CreateVolume', 'server', 'DeleteVolume'),
    bound('DeleteVolume', 'server', 'CreateVolume'),
    bound('ValidateVolumeCapabilities', 'server', 'CreateVolume'),
    bound('ControllerGetVolume', 'server', 'CreateVolume'),
    bound('ControllerExpandVolume', 'server', 'CreateVolume'),
    bound('ControllerModifyVolume', 'server', 'CreateVolume'),
    bound('NodeStageVolume', 'server', 'CreateVolume'),
    bound('NodePublishVolume', 'server', 'CreateVolume', 'NodeStageVolume'),
    bound('NodeGetVolumeStats', 'nothing', ...ATTACH, 'NodeGetVolumeStats'),
    bound('NodeUnpublishVolume', 'nothing', ...ATTACH),
    bound('NodeUnstageVolume', 'nothing', 'CreateVolume', 'NodeStageVolume'),
  ];
};

/** The life of one volume, in the order of its calls. */
export const lifeOf = (driver: TestDriver, pool: string, name: string) => {
  const requests = requestsFor(driver, pool, name);
  const { controller, identity } = driver;
  return Object.entries({
    Probe: () => identity.Probe({}),
    GetCapacity: () => controller.GetCapacity({ parameters: { pool } }),
    ...requests,
    ListVolumes: () => controller.ListVolumes({}),
  });
};

type Requests = ReturnType<typeof requestsFor>;

/** The calls for one volume, in the order in which it lives. */
export const requestsFor = (driver: TestDriver, pool: string, name: string) => {
  const { controller, node } = driver;
  const volume_id = `${pool}/${name}`;
  const volume_context = { pool, directory: name };
  const volume = { volume_id, volume_context, capacity_bytes: 0, content_source: null, accessible_topology: [] };
  const paths = () => pathsFor(driver, name);
  return {
    CreateVolume: (): Promise<unknown> => createVolume(driver, name, { pool }),
    ValidateVolumeCapabilities: (): Promise<unknown> =>
      controller.ValidateVolumeCapabilities({ volume_id, volume_capabilities: [mountCapability()] }),
    ControllerGetVolume: (): Promise<unknown> => controller.ControllerGetVolume({ volume_id }),
    ControllerExpandVolume: (): Promise<unknown> =>
      controller.ControllerExpandVolume({ volume_id, capacity_range: { required_bytes: 2 * GIB } }),
    ControllerModifyVolume: (): Promise<unknown> =>
      controller.ControllerModifyVolume({ volume_id, mutable_parameters: { mode: '0770' } }),
    NodeStageVolume: async (): Promise<unknown> => stage(driver, volume, (await paths()).staging),
    NodePublishVolume: async (): Promise<unknown> => publish(driver, volume, await paths()),
    NodeGetVolumeStats: async (): Promise<unknown> =>
      node.NodeGetVolumeStats({ volume_id, volume_path: (await paths()).target }),
    NodeUnpublishVolume: async (): Promise<unknown> => unpublish(driver, volume_id, (await paths()).target),
    NodeUnstageVolume: async (): Promise<unknown> => unstage(driver, volume_id, (await paths()).staging),
    DeleteVolume: (): Promise<unknown> => controller.DeleteVolume({ volume_id }),
  };
};

/**
 * Where the kubelet would stage and publish. Made are their folders only: to look at a mount of a silent server would
 * hang this process.
 */
export const pathsFor = async ({ kubeletDir }: TestDriver, name: string) => {
  const staging = join(kubeletDir, 'plugins', name, 'globalmount');
  const target = join(kubeletDir, 'pods', name, 'mount');
  for (const path of [staging, target]) await mkdir(dirname(path), { recursive: true });
  return { staging, target };
};

const ATTACH = ['CreateVolume', 'NodeStageVolume', 'NodePublishVolume'] as const;
const TAKE_DOWN = ['NodeUnpublishVolume', 'NodeUnstageVolume'] as const;

const inOrder = async (requests: Requests, names: readonly (keyof Requests)[]): Promise<void> => {
  for (const name of names) await requests[name]();
};
