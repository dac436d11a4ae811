import { describe, expect, it } from 'vitest';
import { CHART, EVERYTHING, helm, type Manifest, NFS, render, template } from './chart.ts';

const names = (manifests: readonly Manifest[]): readonly string[] =>
  manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort();

const podsOf = (manifests: readonly Manifest[], name: string) => {
  const spec = manifests.find(({ metadata, spec: { template: pods } = {} }) => metadata.name === name && pods)?.spec
    ?.template?.spec;
  if (spec === undefined) throw new Error(`${name} is not there`);
  return spec;
};

const driverOf = (manifests: readonly Manifest[], name: string) => podsOf(manifests, name).containers[0];

describe('the chart', () => {
  it('is without complaints of helm lint', async () => {
    expect(await helm('lint', CHART, '--strict', '--set', EVERYTHING.join(','))).toContain('0 chart(s) failed');
  });

  it('serves metrics and probes where they are needed only', async () => {
    const argsOf = async (name: string, ...values: readonly string[]) => {
      const driver = driverOf(await render(...values), name);
      return [driver?.args.find((arg) => arg.startsWith('--http=')), driver?.livenessProbe?.httpGet];
    };
    const probe = { path: '/healthz', port: 'http' };
    expect(await argsOf('csi-subdir-local')).toEqual(['--http=$(POD_IP):9808', probe]);
    const onNode = { ...probe, host: '127.0.0.1' };
    expect(await argsOf('csi-subdir-shared', ...NFS)).toEqual(['--http=127.0.0.1:9809', onNode]);
    expect(await argsOf('csi-subdir-shared-controller', ...NFS)).toEqual(['--http=$(POD_IP):9808', probe]);
    const scraped = [...NFS, 'monitoring.podMonitor.enabled=true'];
    expect(await argsOf('csi-subdir-shared', ...scraped)).toEqual(['--http=$(POD_IP):9809', probe]);
    expect(await argsOf('csi-subdir-shared', ...NFS, 'httpHost=0.0.0.0')).toEqual(['--http=0.0.0.0:9809', probe]);
  });

  it('makes these objects without values', async () => {
    expect(names(await render())).toMatchInlineSnapshot(`
      [
        "CSIDriver/local.csi-subdir.dev",
        "ClusterRole/csi-subdir-local",
        "ClusterRole/csi-subdir-local-resizer",
        "ClusterRoleBinding/csi-subdir-local",
        "ClusterRoleBinding/csi-subdir-local-resizer",
        "ConfigMap/csi-subdir-local",
        "DaemonSet/csi-subdir-local",
        "Deployment/csi-subdir-local-resizer",
        "Pod/csi-subdir-test-csi-subdir-local",
        "Role/csi-subdir-local",
        "Role/csi-subdir-local-resizer",
        "RoleBinding/csi-subdir-local",
        "RoleBinding/csi-subdir-local-resizer",
        "ServiceAccount/csi-subdir-local",
        "ServiceAccount/csi-subdir-local-resizer",
        "StorageClass/csi-subdir-local",
      ]
    `);
  });

  it('makes these objects with everything turned on', async () => {
    expect(names(await render(...EVERYTHING))).toMatchInlineSnapshot(`
      [
        "CSIDriver/local.csi-subdir.dev",
        "CSIDriver/shared.csi-subdir.dev",
        "ClusterRole/csi-subdir-local",
        "ClusterRole/csi-subdir-local-resizer",
        "ClusterRole/csi-subdir-shared-controller",
        "ClusterRole/csi-subdir-snapshot-controller",
        "ClusterRoleBinding/csi-subdir-local",
        "ClusterRoleBinding/csi-subdir-local-resizer",
        "ClusterRoleBinding/csi-subdir-shared-controller",
        "ClusterRoleBinding/csi-subdir-snapshot-controller",
        "ConfigMap/csi-subdir-dashboard",
        "ConfigMap/csi-subdir-local",
        "ConfigMap/csi-subdir-shared",
        "DaemonSet/csi-subdir-local",
        "DaemonSet/csi-subdir-shared",
        "Deployment/csi-subdir-local-resizer",
        "Deployment/csi-subdir-shared-controller",
        "Deployment/csi-subdir-snapshot-controller",
        "NetworkPolicy/csi-subdir-local",
        "NetworkPolicy/csi-subdir-local-resizer",
        "NetworkPolicy/csi-subdir-shared-controller",
        "NetworkPolicy/csi-subdir-snapshot-controller",
        "Pod/csi-subdir-test-csi-subdir-local",
        "Pod/csi-subdir-test-csi-subdir-shared",
        "PodDisruptionBudget/csi-subdir-shared-controller",
        "PodMonitor/csi-subdir-metrics",
        "PrometheusRule/csi-subdir-alerts",
        "Role/csi-subdir-local",
        "Role/csi-subdir-local-resizer",
        "Role/csi-subdir-shared-controller",
        "Role/csi-subdir-snapshot-controller",
        "RoleBinding/csi-subdir-local",
        "RoleBinding/csi-subdir-local-resizer",
        "RoleBinding/csi-subdir-shared-controller",
        "RoleBinding/csi-subdir-snapshot-controller",
        "ServiceAccount/csi-subdir-local",
        "ServiceAccount/csi-subdir-local-resizer",
        "ServiceAccount/csi-subdir-shared",
        "ServiceAccount/csi-subdir-shared-controller",
        "ServiceAccount/csi-subdir-snapshot-controller",
        "StorageClass/csi-subdir-local",
        "StorageClass/csi-subdir-shared",
        "VolumeAttributesClass/keep",
        "VolumeSnapshotClass/csi-subdir-local",
        "VolumeSnapshotClass/csi-subdir-shared",
      ]
    `);
  });

  it.each<readonly [why: string, settings: readonly string[], message: RegExp]>([
    ['a word of its own', ['logLevel=loud'], /at '\/logLevel': value must be one of/],
    ['a key that is not there', ['locale.enabled=true'], /additional properties 'locale' not allowed/],
    ['a deeper one', ['local.node.nodeSelectr.a=b'], /at '\/local\/node': additional properties 'nodeSelectr'/],
    ['an unknown key of a pool', ['local.pools.main.colour=blue'], /at '\/local\/pools\/main'.*'colour' not allowed/s],
    [
      'a path that is not one',
      ['local.pools.main.hostPath.path=srv'],
      /'\/local\/pools\/main\/hostPath\/path'.*pattern/s,
    ],
    ['NFS in the local driver', ['local.pools.main=null', 'local.pools.a.nfs.server=x'], /'\/local\/pools\/a'/],
    [
      'a path of one node in the shared driver',
      [...NFS, 'shared.pools.p.hostPath.path=/p'],
      /missing property 'shared'/,
    ],
    [
      'an unknown parameter of a class',
      ['local.storageClasses.x.parameters.colour=blue'],
      /'\/local\/storageClasses\/x/,
    ],
    ['a driver without pools', ['shared.enabled=true'], /shared\.pools: name at least one pool/],
    ['a class that names no pool of several', ['local.pools.b.hostPath.path=/b'], /expected one of b, main/],
    ['a class that names a wrong pool', ['local.storageClasses.x.parameters.pool=y'], /expected one of main, got y/],
  ])('refuses %s', async (_, settings, message) => {
    await expect(template(...settings)).rejects.toThrow(message);
  });

  it('names the only pool in a class, so that it means the same when there is a second one', async () => {
    const text = await template(...NFS, 'local.storageClasses.named.parameters.pool=main');
    expect(text).toMatch(
      /name: csi-subdir-shared\n(?:.*\n)*?provisioner: shared.csi-subdir.dev\nparameters:\n {2}pool: nas/,
    );
  });

  it('takes the first pool away on request', async () => {
    const text = await template('local.pools.main=null', 'local.pools.ssd.hostPath.path=/ssd');
    expect(text).not.toContain('/var/lib/csi-subdir');
    expect(text).toContain('pool: ssd');
  });

  it('rolls the pods when a pool changes, and only then', async () => {
    const configOf = async (...settings: readonly string[]) =>
      /csi-subdir.dev\/config: (\w+)/.exec(await template(...settings))?.[1];
    const before = await configOf();
    expect(await configOf('networkPolicy.enabled=true')).toBe(before);
    expect(await configOf('local.pools.main.capacity=1Ti')).not.toBe(before);
  });

  it("gives the name of the kubelet's directory to all who need it", async () => {
    const text = await template('kubeletDir=/var/lib/k0s/kubelet', ...NFS);
    expect(text).not.toContain('/var/lib/kubelet');
  });

  it('gives every pod its own settings', async () => {
    const text = await template('local.node.podLabels.a=b', 'local.node.extraArgs={--call-timeout-ms=30000}');
    expect(text).toMatch(/\n {8}a: b\n/);
    expect(text).toContain('--call-timeout-ms=30000');
  });

  it('registers with a sidecar on request', async () => {
    const manifests = await render('sidecars.registrar.enabled=true');
    expect(podsOf(manifests, 'csi-subdir-local').containers.map(({ name }) => name)).toEqual([
      'driver',
      'registrar',
      'provisioner',
    ]);
    expect(driverOf(manifests, 'csi-subdir-local')?.args.join()).not.toContain('--registration');
  });
});
