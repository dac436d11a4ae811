import { type HostileText, TEXTS } from './corpus.ts';
import type { HostileCase } from './hostile-cases.ts';

const INVALID = ['INVALID_ARGUMENT'] as const;

/** Paths as the kubelet would never send them: not below its directory, or below it by a legal but odd name. */
export const pathCases = (
  kubeletDir: string,
  elsewhere: readonly string[],
  unstaged: string,
): readonly HostileCase[] => {
  const outside = [
    ...TEXTS.map(({ text }) => text),
    ...elsewhere,
    ...['/', '/etc', kubeletDir, `${kubeletDir}/`, `${kubeletDir}-evil/x`, `${kubeletDir}/../canary/inner`],
    ...[
      `${kubeletDir}//x`,
      `${kubeletDir}/./x`,
      `${kubeletDir}/x/..`,
      `${kubeletDir.toUpperCase()}/x`,
      ` ${kubeletDir}/x`,
    ],
    ...[
      `${kubeletDir}/x/`,
      `file://${kubeletDir}/x`,
      `${kubeletDir}${'/多'.repeat(1500)}`,
      `${kubeletDir}${'/a'.repeat(2100)}`,
    ],
  ];
  const below = (text: string): string => `${kubeletDir}/hostile/${text}`;
  const isName = ({ text, trait }: HostileText): boolean =>
    (trait === 'odd' || trait === 'plain' || trait === 'own') && !text.includes('/');
  const made = (path: string, codes: readonly string[]): readonly HostileCase[] => [
    { rpc: 'NodeStageVolume', field: 'staging_target_path', fields: { staging_target_path: path }, codes },
    { rpc: 'NodePublishVolume', field: 'target_path', fields: { target_path: path }, codes },
  ];
  const removed = (path: string, codes: readonly string[]): readonly HostileCase[] => [
    { rpc: 'NodeUnstageVolume', field: 'staging_target_path', fields: { staging_target_path: path }, codes },
    { rpc: 'NodeUnpublishVolume', field: 'target_path', fields: { target_path: path }, codes },
  ];
  const read = (path: string, codes: readonly string[]): readonly HostileCase[] => [
    {
      rpc: 'NodePublishVolume',
      field: 'staging_target_path',
      fields: { staging_target_path: path },
      // A code of its own says that the volume was not staged.
      codes: path === '' ? ['FAILED_PRECONDITION'] : codes,
    },
    {
      rpc: 'NodeGetVolumeStats',
      field: 'volume_path',
      fields: { volume_path: path },
      codes: path === '' ? INVALID : ['NOT_FOUND'],
    },
  ];
  const expanded = (path: string, codes: readonly string[]): readonly HostileCase[] => [
    { rpc: 'NodeExpandVolume', field: 'volume_path', fields: { volume_path: path }, codes },
  ];
  const missing = `${kubeletDir}/hostile/not/there`;
  return [
    ...outside.flatMap((path) => [...made(path, INVALID), ...removed(path, INVALID), ...read(path, INVALID)]),
    ...outside.flatMap((path) => expanded(path, ['INVALID_ARGUMENT', 'NOT_FOUND'])),
    ...TEXTS.filter(isName).flatMap(({ text }) => [
      ...made(below(text), ['OK']),
      ...removed(below(text), ['OK']),
      ...read(below(text), [unstaged]),
    ]),
    ...made(missing, ['FAILED_PRECONDITION']),
    ...removed(missing, ['OK']),
  ];
};
