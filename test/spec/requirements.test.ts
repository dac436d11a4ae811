import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requirementsOf } from './requirements.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** csi-sanity is a Go module. */
const hasGo = spawnSync('go', ['version']).error === undefined;

/** The text of csi-sanity's own tests, at the version that runs here. */
const readSanity = (): string => {
  const options = { cwd: join(ROOT, 'test/sanity'), encoding: 'utf8' } as const;
  const args = ['list', '-m', '-f', '{{.Dir}}', 'github.com/kubernetes-csi/csi-test/v5'];
  execFileSync('go', ['mod', 'download'], options);
  const folder = join(execFileSync('go', args, options).trim(), 'pkg/sanity');
  const files = readdirSync(folder).filter((file) => file.endsWith('.go'));
  return files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
};

describe('what the specification requires', () => {
  const proofs = requirementsOf().flatMap(({ proofs: each }) => each);

  it('is listed for every RPC', () => {
    const proto = readFileSync(join(ROOT, 'proto/csi.proto'), 'utf8');
    const rpcs = [...proto.matchAll(/^ {2}rpc (\w+)/gm)].map(([, rpc]) => rpc ?? '');
    const listed = requirementsOf().flatMap(({ rpc }) => rpc.split(', '));
    // Snapshot metadata is a service of its own, which the driver does not have.
    const served = rpcs.filter((rpc) => !rpc.startsWith('GetMetadata'));
    expect(served.filter((rpc) => !listed.includes(rpc))).toEqual([]);
    expect(served.length).toBeGreaterThan(25);
  });

  it('is proven by tests that exist', () => {
    const missing = proofs.filter(
      (proof) => proof.by === 'test' && !readFileSync(join(ROOT, proof.file), 'utf8').includes(`'${proof.title}'`),
    );
    expect(missing).toEqual([]);
  });

  it.skipIf(!hasGo)('is proven by cases that csi-sanity has', () => {
    const source = readSanity();
    // One that its authors have put off (`PIt`) proves nothing.
    const has = (text: string): boolean => source.replaceAll(/\bPIt\("[^"]*"/g, '').includes(`"${text}"`);
    const missing = proofs.filter(({ by, title }) => {
      const at = title.search(/ (?:should|check) /);
      return by === 'csi-sanity' && !(has(title.slice(0, at)) && has(title.slice(at + 1)));
    });
    expect(missing).toEqual([]);
  });
});
