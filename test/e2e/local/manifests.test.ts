import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVERYTHING, NFS, template } from '../../chart/chart.ts';
import { kubectl, run } from '../support/cluster.ts';
import { openSpace, type Space } from '../support/space.ts';

const DEPLOY = resolve(import.meta.dirname, '../../../deploy');

describe('what the API server thinks of our manifests', () => {
  let space: Space;
  beforeAll(async () => {
    space = await openSpace('e2e-manifests');
  });
  afterAll(() => space.close());

  /** Fields that the API server does not know are errors, too. */
  const dryRun = (manifests: string): Promise<string> =>
    run('kubectl', ['create', '--dry-run=server', '--validate=strict', '--filename=-'], manifests);

  /** Kinds that come with operators and CRDs, which a cluster need not have. */
  const FOREIGN = /^kind: (?:PodMonitor|PrometheusRule|VolumeSnapshot\w*)$/m;

  const own = (manifests: string): string =>
    manifests
      .split(/^---$/m)
      .filter((manifest) => !FOREIGN.test(manifest))
      .join('---');

  it.each([
    ['nothing set', []],
    ['NFS', NFS],
    ['everything', EVERYTHING],
  ] as const)('of the chart with %s', async (_, settings) => {
    const manifests = own(await template(...settings))
      // Another name and namespace than what is installed.
      .replaceAll('namespace: csi-subdir', `namespace: ${space.namespace}`)
      .replaceAll(/(name: )(csi-subdir|(?:local|shared)\.csi-subdir)/g, '$1other-$2');
    expect(await dryRun(manifests)).toContain('created (server dry run)');
  });

  it('of the examples', async () => {
    for (const path of globSync(`${DEPLOY}/examples/*.yaml`)) {
      const made = await run('kubectl', [
        'apply',
        '--dry-run=server',
        '--validate=strict',
        '-n',
        space.namespace,
        `-f${path}`,
      ]).catch((thrown: Error) =>
        /no matches for kind "VolumeSnapshot"/.test(thrown.message) ? 'no CRDs' : Promise.reject(thrown),
      );
      expect(made).toMatch(/dry run|no CRDs/);
    }
  });

  it('of the plain ones', async () => {
    const plain = await kubectl('apply', '--dry-run=server', '--validate=strict', `-f${DEPLOY}/local.yaml`).catch(
      String,
    );
    // Helm has made these objects, with labels of its own: there is nothing to create, and no field that is unknown.
    expect(plain).not.toMatch(/strict decoding error|Invalid|Forbidden/);
  });
});
