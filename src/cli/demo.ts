import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { ConfigError } from '../config/error.ts';
import { type CsiClient, connectCsi } from '../rpc/client.ts';
import { createNarrator, type Narrator } from './demo-output.ts';
import { startServe } from './serve-process.ts';

/**
 * Takes one volume through its life over gRPC, as the sidecars and the kubelet would, with a driver of its own. With
 * `--keep` it waits in the middle, so that one can look around.
 */
export const runDemo = async (args: readonly string[]): Promise<number> => {
  const unknown = args.find((arg) => arg !== '--keep');
  if (unknown !== undefined)
    throw new ConfigError([`demo: expected --keep or nothing, got ${JSON.stringify(unknown)}`]);
  // Who reads may leave before the end, which takes everything away.
  process.stdout.on('error', () => {});
  const places = await makePlaces();
  const narrator = createNarrator(places.home, places.root);
  const driver = await narrator.step('the driver listens on a Unix socket', () => startServe(serveFlags(places)));
  const client = connectCsi(places.socket);
  try {
    const play = { client, narrator, places, pause: args.includes('--keep') };
    await playClaim(play, canMount() ? (volume) => playPods(play, volume) : () => lookAround(play));
    await narrator.step('SIGTERM: the driver leaves', driver.stop);
    narrator.say(canMount() ? '\nDone: everything ran.' : '\nDone. Not root, so nothing was mounted; all else ran.');
    return 0;
  } finally {
    client.close();
    await driver.stop();
    await rm(places.home, { recursive: true, force: true });
  }
};

interface Places {
  readonly home: string;
  readonly root: string;
  readonly kubeletDir: string;
  readonly socket: string;
  readonly config: string;
}

interface Play {
  readonly client: CsiClient;
  readonly narrator: Narrator;
  readonly places: Places;
  readonly pause: boolean;
}

interface DemoVolume {
  readonly volume_id: string;
  readonly volume_context: Record<string, string>;
}

const GIB = 1024 ** 3;
const CAPABILITY = { mount: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } };
const CLAIM = { 'csi.storage.k8s.io/pvc/namespace': 'shop', 'csi.storage.k8s.io/pvc/name': 'orders' };

const canMount = (): boolean => process.getuid?.() === 0;

const makePlaces = async (): Promise<Places> => {
  const home = await mkdtemp(join(tmpdir(), 'csi-subdir-demo-'));
  const [root, kubeletDir, config] = [join(home, 'pool'), join(home, 'kubelet'), join(home, 'config.yaml')];
  await mkdir(root);
  await mkdir(kubeletDir);
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await writeFile(config, stringify({ pools: { demo: { hostPath: { path: root }, capacity: '10Gi', ...owner } } }));
  return { home, root, kubeletDir, config, socket: join(home, 'csi.sock') };
};

const serveFlags = ({ config, socket, kubeletDir }: Places): readonly string[] => [
  ...['--config', config, '--socket', socket, '--kubelet-dir', kubeletDir],
  ...['--http', '127.0.0.1:0', '--node-id', 'this-machine', '--log-level', 'info'],
];

/** What external-provisioner asks for, with what the kubelet asks for in between. */
const playClaim = async ({ client, narrator }: Play, between: (volume: DemoVolume) => Promise<void>): Promise<void> => {
  const { controller, identity } = client;
  await narrator.step('Probe', () => identity.Probe({}));
  const request = {
    name: 'pvc-demo',
    capacity_range: { required_bytes: GIB },
    volume_capabilities: [CAPABILITY],
    parameters: CLAIM,
  };
  const { volume } = await narrator.step('CreateVolume: claim orders in shop, 1 GiB', () =>
    controller.CreateVolume(request),
  );
  if (volume === null) throw new Error('CreateVolume answered no volume');
  await narrator.step('CreateVolume again: the same answer', () => controller.CreateVolume(request));
  await between(volume);
  const bigger = { volume_id: volume.volume_id, capacity_range: { required_bytes: 2 * GIB } };
  await narrator.step('ControllerExpandVolume: 2 GiB', () => controller.ControllerExpandVolume(bigger));
  const { entries } = await narrator.step('ListVolumes', () => controller.ListVolumes({}));
  narrator.say(`             ${entries.map((entry) => entry.volume?.volume_id).join(', ')}`);
  const { available_capacity: left } = await narrator.step('GetCapacity', () => controller.GetCapacity({}));
  narrator.say(`             ${Number(left) / GIB} GiB of the pool's 10 are left`);
  await narrator.step('DeleteVolume: one rename, purged behind', () =>
    controller.DeleteVolume({ volume_id: volume.volume_id }),
  );
};

/** What the kubelet asks for: a pod dies, its data stays. */
const playPods = async (play: Play, volume: DemoVolume): Promise<void> => {
  const { client, narrator, places } = play;
  const { node } = client;
  const staging = join(places.kubeletDir, 'plugins/pvc-demo/globalmount');
  const targetOf = (pod: string): string => join(places.kubeletDir, 'pods', pod, 'volumes/pvc-demo/mount');
  for (const path of [staging, dirname(targetOf('pod-1')), dirname(targetOf('pod-2'))])
    await mkdir(path, { recursive: true });
  const { volume_id } = volume;
  const common = { ...volume, staging_target_path: staging, volume_capability: CAPABILITY };
  const publish = (pod: string) => () => node.NodePublishVolume({ ...common, target_path: targetOf(pod) });
  const unpublish = (pod: string) => () => node.NodeUnpublishVolume({ volume_id, target_path: targetOf(pod) });

  await narrator.step('NodeStageVolume', () => node.NodeStageVolume(common));
  await narrator.step('NodePublishVolume for pod-1', publish('pod-1'));
  await narrator.step('pod-1 writes a note', () => writeFile(join(targetOf('pod-1'), 'note'), 'written by pod-1'));
  await narrator.step('NodeUnpublishVolume: pod-1 has died', unpublish('pod-1'));
  await narrator.step('NodePublishVolume for pod-2', publish('pod-2'));
  const note = await narrator.step('pod-2 reads the note', () => readFile(join(targetOf('pod-2'), 'note'), 'utf8'));
  narrator.say(`             "${note}"`);
  const stats = { volume_id, volume_path: targetOf('pod-2') };
  await narrator.step('NodeGetVolumeStats', () => node.NodeGetVolumeStats(stats));
  await lookAround(play);
  await narrator.step('NodeUnpublishVolume: pod-2 has ended', unpublish('pod-2'));
  await narrator.step('NodeUnstageVolume', () => node.NodeUnstageVolume({ volume_id, staging_target_path: staging }));
};

const lookAround = async ({ narrator, places, pause }: Play): Promise<void> => {
  if (!pause) return;
  narrator.say(`
  Look around, in another terminal:

    find ${places.home}
    cat ${places.root}/.csi-subdir/volumes/pvc-demo.json
    grep ${places.home} /proc/self/mountinfo
    npm exec -- node src/main.ts volumes list --config ${places.config}

  Ctrl-C goes on to the end and leaves nothing behind.
`);
  const alive = setInterval(() => {}, 60_000);
  await new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  clearInterval(alive);
};
