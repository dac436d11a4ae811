import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { createOpener, type Opener } from '../background/open.ts';
import type { Config } from '../config/config.ts';
import type { Options } from '../config/options.ts';
import { VERSION } from '../config/version.ts';
import type { NodeContext } from '../node/context.ts';
import { createController } from '../rpc/controller.ts';
import { type Definitions, loadDefinitions } from '../rpc/definitions.ts';
import { createGroupController } from '../rpc/group-controller.ts';
import { createIdentity } from '../rpc/identity.ts';
import { createNode } from '../rpc/node.ts';
import { createRegistration, type Registration } from '../rpc/registration.ts';
import { type Service, serveSocket } from '../rpc/server.ts';
import { createUnary } from '../rpc/unary.ts';
import type { Log } from '../system/log.ts';
import { createMemoryKeeper, releaseMemory } from '../system/memory.ts';
import { claimSocket } from '../system/socket.ts';
import type { Step } from '../system/step.ts';
import { assemble } from './assemble.ts';
import { serveHttp } from './http.ts';
import { createMetrics } from './metrics.ts';
import { samplePools, shareSample } from './sample.ts';

export interface Driver {
  readonly httpPort: number;
  /** Refuses new calls, finishes running ones within `--stop-timeout-ms`, removes its sockets. */
  readonly stop: () => Promise<void>;
}

/** Wires the rooms together, by hand, and serves: HTTP and CSI first, the kubelet's socket when the pools are open. */
export const startDriver = async (config: Config, log: Log, step: Step): Promise<Driver> => {
  const { options } = config;
  const stopping = new AbortController();
  const metrics = createMetrics(options.driverName, VERSION);
  const context = assemble(config, log, metrics.subprocesses, step);
  const opener = createOpener(context, log, stopping.signal);
  const registration = createRegistration(options.driverName, options.registrationEndpoint || options.socket, log);

  const memory = createMemoryKeeper();
  const notReady = () => [
    ...(context.topology === undefined
      ? []
      : opener.untried().map((pool) => `the records of pool ${pool} are being read`)),
    ...registrationProblems(registration),
  ];
  const render = shareSample(async () => {
    metrics.setPools(await samplePools(context, opener));
    return metrics.registry.metrics();
  });
  const http = await serveHttp({ address: options.http, render, contentType: metrics.registry.contentType, notReady });
  const definitions = loadDefinitions();
  const unary = createUnary({
    log,
    boundMs: (path) => (path.endsWith('/NodeStageVolume') ? options.stageTimeoutMs : options.callTimeoutMs),
    observe: (method, code, seconds) => {
      memory.used();
      metrics.observeCall(method, code, seconds);
    },
    stopping: stopping.signal,
  });
  const csi = await serveSocket(
    await claimSocket(options.socket),
    await csiServices(definitions, options, context, opener),
    unary,
  );
  const opening = opensPools(options, context) ? opener.open() : undefined;
  // A server that does not answer must not keep the kubelet waiting for the others.
  if (context.topology !== undefined) await opening;
  const registrar =
    options.registrationDir === ''
      ? undefined
      : await serveSocket(
          await claimSocket(registrationSocket(options)),
          [registrationService(definitions, registration)],
          unary,
        );
  releaseMemory();
  log.info({ ...options, version: VERSION, httpPort: http.port }, 'serving');

  return {
    httpPort: http.port,
    stop: async () => {
      stopping.abort();
      context.purger.stop();
      await Promise.all([csi.stop(options.stopTimeoutMs), registrar?.stop(0), context.copier.stop()]);
      await Promise.allSettled([...context.indexes.values()].map(({ pool }) => pool.close()));
      http.stop();
    },
  };
};

/** A node mounts what it is told; the records of shared pools are the controller's. */
const opensPools = ({ mode }: Options, { topology }: NodeContext): boolean => mode !== 'node' || topology !== undefined;

const csiServices = async (
  definitions: Definitions,
  options: Options,
  context: NodeContext,
  opener: Opener,
): Promise<readonly Service[]> => {
  const identity = createIdentity({
    driverName: options.driverName,
    version: VERSION,
    hasTopology: context.topology !== undefined,
    // A pool that is not open shows in the log and in the metrics; the driver serves the others.
    isReady: () => context.topology === undefined || opener.untried().length === 0,
  });
  const services: Service[] = [
    { name: 'csi.v1.Identity', definition: definitions['csi.v1.Identity'], methods: identity },
  ];
  if (options.mode !== 'node') {
    const methods = createController(context);
    services.push({ name: 'csi.v1.Controller', definition: definitions['csi.v1.Controller'], methods });
    const groups = createGroupController(context);
    services.push({
      name: 'csi.v1.GroupController',
      definition: definitions['csi.v1.GroupController'],
      methods: groups,
    });
  }
  if (options.mode !== 'controller') {
    const methods = createNode(context, {
      nodeId: options.nodeId,
      maxVolumes: options.maxVolumesPerNode,
      kubeletDir: options.kubeletDir,
      // The mount table knows real paths only; /var/lib/kubelet is a link on some distributions.
      realKubeletDir: await realpath(options.kubeletDir).catch(() => options.kubeletDir),
    });
    services.push({ name: 'csi.v1.Node', definition: definitions['csi.v1.Node'], methods });
  }
  return services;
};

const registrationService = (definitions: Definitions, { methods }: Registration): Service => ({
  name: 'pluginregistration.Registration',
  definition: definitions['pluginregistration.Registration'],
  methods,
});

const registrationSocket = ({ registrationDir, driverName }: Options): string =>
  join(registrationDir, `${driverName}-reg.sock`);

const registrationProblems = (registration: Registration): readonly string[] =>
  registration.state() === 'refused' ? ['the kubelet refused the registration'] : [];
