import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { ConfigError } from './error.ts';
import { parsePools } from './pools.ts';

describe('the pools file', () => {
  it('gives every pool its defaults', () => {
    const { pools, problems } = parsePools(
      'pools: {main: {hostPath: {path: /data}, capacity: 1.5Ti, mode: "0750"}}',
      'x',
    );
    expect(problems).toEqual([]);
    expect(pools?.main).toEqual({
      hostPath: { path: '/data', shared: false },
      requireMount: false,
      capacity: 1.5 * 1024 ** 4,
      directory: '{namespace}-{claim}-{volume}',
      mode: 0o750,
      onDelete: 'delete',
      existing: 'fail',
    });
  });

  it('takes the root of an NFSv4 server, and drops a slash at the end of a path', () => {
    const exportOf = (path: string) =>
      parsePools(`pools: {main: {nfs: {server: nas, export: ${path}}}}`, 'x').pools?.main?.nfs?.export;
    expect(['/', '//', '/a/b', '/a/b/'].map(exportOf)).toEqual(['/', '/', '/a/b', '/a/b']);
    const text = 'pools: {main: {hostPath: {path: /data/}}}';
    expect(parsePools(text, 'x').pools?.main?.hostPath?.path).toBe('/data');
  });

  it('tells every problem at once, each with its path', () => {
    const text = `
pools:
  a: {hostPath: {path: relative}, capacity: lots, mode: 511, onDelete: shred, color: red}
  b: {hostPath: {path: /b}, directory: "../{volume}"}
  c: {hostPath: {path: /b}, uid: -1}
`;
    const { problems } = parsePools(text, 'f.yaml');
    for (const expected of [
      /^f.yaml: pools.a.hostPath.path: expected an absolute path/,
      /^f.yaml: pools.a.capacity: expected a quantity like 500Gi/,
      /^f.yaml: pools.a.mode: expected an octal mode in quotes/,
      /^f.yaml: pools.a.onDelete: /,
      /^f.yaml: pools.a.*color/,
      /^f.yaml: pools.b.directory: expected a relative directory/,
      /^f.yaml: pools.c.uid: /,
    ]) {
      expect(problems).toContainEqual(expect.stringMatching(expected));
    }
  });

  it.each([
    ['', 'pools'],
    ['pools: {Main: {hostPath: {path: /a}}}', 'pools.Main: expected a DNS label'],
    ['pools: {}', 'at least one pool'],
    ['pools: [', 'not YAML'],
    ['pools: {a: {hostPath: {path: /x}}, b: {hostPath: {path: /x}}}', 'overlaps the path of pool a'],
    [
      'pools: {a: {nfs: {server: nas, export: /e}}, b: {nfs: {server: nas, export: /e/f}}}',
      'pools.b.nfs.export: overlaps the path of pool a',
    ],
    [
      'pools: {a: {nfs: {server: nas, export: /e, controller: {localPath: /x}}}, b: {hostPath: {path: /x, shared: true}}}',
      'pools.b.hostPath.path: overlaps the path of pool a',
    ],
    [
      'pools: {a: {nfs: {server: nas, export: /e/}}, b: {nfs: {server: nas, export: /e}}}',
      'pools.b.nfs.export: overlaps the path of pool a',
    ],
    [
      'pools: {a: {nfs: {server: nas, export: /}}, b: {nfs: {server: nas, export: /e}}}',
      'pools.b.nfs.export: overlaps the path of pool a',
    ],
    ['pools: {a: {nfs: {server: nas, export: e}}}', 'pools.a.nfs.export: expected an absolute path'],
    ['pools: {a: {nfs: {server: nas, export: /e/../f}}}', 'pools.a.nfs.export: expected an absolute path'],
    ['pools: {a: {hostPath: {path: /x}}, b: {nfs: {server: nas, export: /e}}}', 'they are two drivers'],
    ['pools: {a: {nfs: {server: "nas;x", export: /e}}}', 'pools.a.nfs.server: expected a DNS name'],
    [
      'pools: {a: {nfs: {server: nas, export: /e, mountOptions: ["vers=4.2,exec=x"]}}}',
      'pools.a.nfs.mountOptions: expected mount options',
    ],
    [
      'pools: {a: {hostPath: {path: /x}, capacity: 1Gi, sizes: none}}',
      'pools.a.capacity: has no meaning with sizes: none',
    ],
    ['pools: {a: {hostPath: {path: /x}, sizes: some}}', 'pools.a.sizes: '],
    ['pools: {a: {hostPath: {path: /x/y}}, b: {hostPath: {path: /x}}}', 'overlaps the path of pool a'],
  ])('%j is refused: %s', (text, words) => expect(parsePools(text, 'f').problems.join()).toContain(words));
});

describe('the options', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'csi-subdir-config-'));
    await writeFile(join(home, 'config.yaml'), 'pools: {main: {hostPath: {path: /data}}}');
  });
  afterAll(() => rm(home, { recursive: true }));

  it('come from flags before the environment', async () => {
    const env = {
      CSI_SUBDIR_NODE_ID: 'from-env',
      CSI_SUBDIR_MODE: 'node',
      CSI_SUBDIR_CONFIG: join(home, 'config.yaml'),
    };
    const { options } = await loadConfig(['--node-id', 'from-flag'], env);
    expect([options.nodeId, options.mode, options.socket]).toEqual(['from-flag', 'node', '/csi/csi.sock']);
  });

  it('have a node id that is the value of a label where volumes belong to their node, and only there', async () => {
    const shared = join(home, 'shared.yaml');
    await writeFile(shared, 'pools: {main: {nfs: {server: nas, export: /}}}');
    const load = (config: string, length: number) =>
      loadConfig(['--config', config, '--node-id', 'n'.repeat(length)], {});
    expect((await load(shared, 86)).options.nodeId).toHaveLength(86);
    expect((await load(shared, 256)).options.nodeId).toHaveLength(256);
    await expect(load(shared, 257)).rejects.toThrow('--node-id: expected at most 256');
    const local = join(home, 'config.yaml');
    expect((await load(local, 63)).options.nodeId).toHaveLength(63);
    await expect(load(local, 86)).rejects.toThrow('--node-id: expected at most 63');
  });

  it('are all checked, and the file with them', async () => {
    const load = loadConfig(['--mode', 'both', '--http', 'x', '--socket', 'rel'], {});
    await expect(load).rejects.toBeInstanceOf(ConfigError);
    await expect(load).rejects.toThrow(/--mode: [\s\S]*--http: |--socket: /);
    await expect(loadConfig(['--config', join(home, 'none')], {})).rejects.toThrow(/--config: .* cannot be read/);
    await expect(loadConfig(['--colour', 'red'], {})).rejects.toThrow(/--colour/);
  });
});
