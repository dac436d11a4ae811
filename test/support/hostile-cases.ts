import {
  CAPABILITIES,
  FOREIGN_HANDLES,
  HANDLES,
  type HostileText,
  KEYS,
  NUMBERS,
  RANGES,
  TEXTS,
  WORDS,
} from './corpus.ts';
import { pathCases } from './hostile-paths.ts';
import type { Fields, Rpc } from './requests.ts';

/** One hostile call: what is laid over a valid request, and the codes that are a right answer to it. */
export interface HostileCase {
  readonly rpc: Rpc;
  /** Named by the answer when it is INVALID_ARGUMENT or OUT_OF_RANGE. */
  readonly field: string;
  readonly fields: Fields;
  readonly codes: readonly string[];
}

/** What one RPC has refused with the same parser as another, the other one gets a sample of: every n-th. */
const SAMPLE = 5;

/** `UNCONFIRMED` is how ValidateVolumeCapabilities says no: OK, with nothing confirmed. */
const INVALID = ['INVALID_ARGUMENT'] as const;
const NOT_CONFIRMED = ['INVALID_ARGUMENT', 'UNCONFIRMED'] as const;

export const hostileCases = (
  kubeletDir: string,
  elsewhere: readonly string[],
  unstaged: string,
): readonly HostileCase[] => [
  ...handleCases(),
  ...nameCases(),
  ...parameterCases(),
  ...attributeCases(),
  ...capabilityCases(),
  ...numberCases(),
  ...tokenCases(),
  ...snapshotCases(),
  ...pathCases(kubeletDir, elsewhere, unstaged),
];

const handleCases = (): readonly HostileCase[] => {
  const each = (rpc: Rpc, unknown: string) =>
    [...TEXTS, ...HANDLES].map(({ text, trait }) => {
      const codes = isNoString(trait) ? INVALID : [unknown];
      return { rpc, field: 'volume_id', fields: { volume_id: text }, codes };
    });
  const records: readonly Rpc[] = ['ValidateVolumeCapabilities', 'ControllerExpandVolume', 'ControllerGetVolume'];
  const unclaimed: readonly Rpc[] = ['ControllerPublishVolume', 'ControllerUnpublishVolume'];
  return [
    // The id of a static volume is what the admin likes: a node takes any, but that of another volume (match.test.ts).
    ...(['NodeUnstageVolume', 'NodeUnpublishVolume'] as const).flatMap((rpc) => each(rpc, 'OK')),
    ...(['NodeStageVolume', 'NodePublishVolume'] as const).flatMap((rpc) =>
      each(rpc, 'OK').map((one) => ({ ...one, codes: [...one.codes, ...INVALID] })),
    ),
    ...each('DeleteVolume', 'OK'),
    ...[...records, 'ControllerModifyVolume' as const, 'NodeExpandVolume' as const].flatMap((rpc) =>
      each(rpc, 'NOT_FOUND'),
    ),
    ...FOREIGN_HANDLES.flatMap((volume_id) =>
      [...records, 'DeleteVolume' as const].map((rpc) => ({
        rpc,
        field: 'volume_id',
        fields: { volume_id },
        codes: ['NOT_FOUND'],
      })),
    ),
    ...TEXTS.filter((_, index) => index % SAMPLE === 0).flatMap(({ text }) =>
      unclaimed.map((rpc) => ({ rpc, field: '', fields: { volume_id: text }, codes: ['UNIMPLEMENTED'] })),
    ),
  ];
};

const nameCases = (): readonly HostileCase[] =>
  [...TEXTS, ...HANDLES]
    .filter(({ text }) => text !== 'pvc-1')
    .map(({ text, trait }) => ({
      rpc: 'CreateVolume',
      field: 'name',
      fields: { name: text },
      codes: isNoString(trait) ? INVALID : ['OK'],
    }));

const parameterCases = (): readonly HostileCase[] => {
  const one = (rpc: Rpc, key: string, value: string, codes: readonly string[], in_ = 'parameters') => ({
    rpc,
    field: KNOWN.includes(key) ? key : in_,
    fields: { [in_]: { [key]: value } },
    codes,
  });
  const everywhere = (key: string, values: readonly string[]) =>
    values.flatMap((value, index) => [
      one('CreateVolume', key, value, INVALID),
      ...(index % SAMPLE > 0 ? [] : [{ ...one('GetCapacity', key, value, ['OK', ...INVALID]), field: '' }]),
      ...(index % SAMPLE > 0 ? [] : [one('ValidateVolumeCapabilities', key, value, NOT_CONFIRMED)]),
    ]);
  const mutable = (key: string, values: readonly string[]) =>
    values.flatMap((value, index) => [
      one('ControllerModifyVolume', key, value, INVALID, 'mutable_parameters'),
      ...(index % SAMPLE > 0 ? [] : [one('CreateVolume', key, value, INVALID, 'mutable_parameters')]),
      ...(index % SAMPLE > 0
        ? []
        : [one('ValidateVolumeCapabilities', key, value, NOT_CONFIRMED, 'mutable_parameters')]),
    ]);
  const texts = TEXTS.map(({ text }) => text);
  const unknown = [...KEYS, ...texts.filter((text) => text !== '__proto__')];
  return [
    ...TEXTS.filter(({ trait }) => trait !== 'plain').flatMap(({ text }) => everywhere('directory', [text])),
    ...TEXTS.filter(({ trait }) => trait === 'plain').flatMap(({ text }) => [
      one('CreateVolume', 'directory', `${text}{volume}`, ['OK']),
      // Every claim would have it.
      one('CreateVolume', 'directory', text, INVALID),
    ]),
    ...['pool', 'onDelete', 'existing', 'compression'].flatMap((key) => everywhere(key, [...texts, ...WORDS])),
    ...['mode', 'uid', 'gid'].flatMap((key) => everywhere(key, [...texts, ...NUMBERS.filter(badFor(key))])),
    ...['mode', 'uid', 'gid'].flatMap((key) => mutable(key, [...texts, ...NUMBERS.filter(badFor(key))])),
    ...mutable('onDelete', [...texts, ...WORDS]),
    ...unknown.flatMap((key) => [...everywhere(key, ['x']), ...mutable(key, ['x'])]),
    ...['pool', 'directory', 'existing'].flatMap((key) => mutable(key, ['x'])),
    ...TEXTS.flatMap(({ text }) => [
      { rpc: 'CreateVolume' as const, field: 'pvc/namespace', fields: claim(text, 'c'), codes: INVALID },
      { rpc: 'CreateVolume' as const, field: 'pvc/name', fields: claim('ns', text), codes: INVALID },
    ]),
  ].map((made) => (sizeOf(made.fields) > 4096 ? { ...made, field: made.field === '' ? '' : 'parameters' } : made));
};

const attributeCases = (): readonly HostileCase[] => {
  const field = 'volume_context';
  const one = (
    context: Record<string, string>,
    codes: readonly string[],
    published: readonly string[] = codes,
  ): readonly HostileCase[] => [
    // With an id that an admin has chosen: any other volume has a context of its own.
    { rpc: 'NodeStageVolume', field, fields: { volume_id: 'static', volume_context: context }, codes },
    { rpc: 'NodePublishVolume', field, fields: { volume_id: 'static', volume_context: context }, codes: published },
    { rpc: 'ValidateVolumeCapabilities', field, fields: { volume_context: context }, codes: NOT_CONFIRMED },
  ];
  // What is staged is known already: of a well-formed context nothing need be looked up again.
  const known = ['OK', 'NOT_FOUND', 'FAILED_PRECONDITION', ...INVALID];
  const texts = TEXTS.map(({ text }) => text).filter((text) => !text.includes('/') && text !== '__proto__');
  return [
    ...TEXTS.flatMap(({ text, trait }) =>
      trait === 'odd' || trait === 'plain'
        ? one({ pool: 'main', directory: text }, ['NOT_FOUND'], known)
        : one({ pool: 'main', directory: text }, INVALID),
    ),
    ...one({ pool: 'main', directory: Array(8).fill('"'.repeat(250)).join('/') }, ['NOT_FOUND'], known),
    ...TEXTS.flatMap(({ text }) => one({ pool: text, directory: 'pvc-1' }, INVALID, known)),
    ...[...KEYS, ...texts].flatMap((key) => one({ pool: 'main', directory: 'pvc-1', [key]: 'x' }, INVALID)),
    ...one({ pool: 'main' }, INVALID),
  ];
};

const capabilityCases = (): readonly HostileCase[] =>
  CAPABILITIES.flatMap((capability): readonly HostileCase[] => {
    const single = { fields: { volume_capability: capability }, field: 'volume_capability', codes: INVALID };
    const several = { fields: { volume_capabilities: [capability] }, field: 'volume_capabilities', codes: INVALID };
    return [
      { rpc: 'CreateVolume', ...several },
      { rpc: 'GetCapacity', ...several, codes: 'block' in capability ? ['OK'] : INVALID },
      { rpc: 'ValidateVolumeCapabilities', ...several, codes: NOT_CONFIRMED },
      { rpc: 'NodeStageVolume', ...single },
      { rpc: 'NodePublishVolume', ...single },
      { rpc: 'ControllerExpandVolume', ...single },
      { rpc: 'NodeExpandVolume', ...single },
    ];
  });

const numberCases = (): readonly HostileCase[] => [
  ...RANGES.flatMap(({ range, codes }) =>
    (['CreateVolume', 'ControllerExpandVolume', 'NodeExpandVolume'] as const).map((rpc) => ({
      rpc,
      field: 'capacity_range',
      fields: { capacity_range: range },
      codes,
    })),
  ),
  ...[-1, -(2 ** 31)].map((max_entries) => ({
    rpc: 'ListVolumes' as const,
    field: 'max_entries',
    fields: { max_entries },
    codes: INVALID,
  })),
  { rpc: 'ListVolumes', field: 'max_entries', fields: { max_entries: 2 ** 31 - 1 }, codes: ['OK'] },
];

const tokenCases = (): readonly HostileCase[] => [
  ...[...TEXTS, ...HANDLES].map(({ text, trait }) => ({
    rpc: 'ListVolumes' as const,
    field: 'starting_token',
    fields: { starting_token: text },
    codes: trait === 'empty' || HANDLE_FORM.test(text) ? ['OK'] : ['ABORTED'],
  })),
  ...TEXTS.flatMap(({ text }): readonly HostileCase[] => {
    const segments = { [text]: 'node-1', 'topology.local.csi-subdir.dev/node': text };
    const requirements = { requisite: [{ segments }], preferred: [] };
    return [
      { rpc: 'GetCapacity', field: '', fields: { accessible_topology: { segments } }, codes: ['OK'] },
      {
        rpc: 'CreateVolume',
        field: '',
        fields: { accessibility_requirements: requirements },
        codes: ['RESOURCE_EXHAUSTED'],
      },
    ];
  }),
];

const snapshotCases = (): readonly HostileCase[] =>
  [...TEXTS, ...HANDLES].flatMap(({ text, trait }, index): readonly HostileCase[] => {
    const unless = (code: string): readonly string[] => (isNoString(trait) ? INVALID : [code]);
    const one = (rpc: Rpc, field: string, codes: readonly string[]) => ({
      rpc,
      field,
      fields: { [field]: text },
      codes,
    });
    const source = (kind: 'snapshot' | 'volume', id: object) => ({
      rpc: 'CreateVolume' as const,
      field: `volume_content_source.${kind}`,
      fields: { volume_content_source: { [kind]: id } },
      codes: unless('NOT_FOUND'),
    });
    return [
      one('CreateSnapshot', 'source_volume_id', unless('NOT_FOUND')),
      one('DeleteSnapshot', 'snapshot_id', unless('OK')),
      one('GetSnapshot', 'snapshot_id', unless('NOT_FOUND')),
      one('ListSnapshots', 'snapshot_id', ['OK']),
      one('ListSnapshots', 'source_volume_id', ['OK']),
      one('ListSnapshots', 'starting_token', trait === 'empty' ? ['OK'] : ['ABORTED']),
      source('snapshot', { snapshot_id: text }),
      source('volume', { volume_id: text }),
      ...(index % SAMPLE === 0 ? [one('CreateSnapshot', 'name', unless('OK'))] : []),
    ];
  });

/** A token is right for what has gone since. */
const HANDLE_FORM = /^main\/(?:pvc-1\.json|volumes|pool\.json)$/;

const KNOWN = ['pool', 'directory', 'mode', 'uid', 'gid', 'onDelete', 'existing', 'compression'];

const isNoString = (trait: HostileText['trait']): boolean =>
  trait === 'empty' || trait === 'control' || trait === 'long';

const badFor =
  (key: string) =>
  (number: string): boolean =>
    key === 'mode' || !/^\d{1,6}$/.test(number);

const claim = (namespace: string, name: string): Fields => ({
  parameters: { 'csi.storage.k8s.io/pvc/namespace': namespace, 'csi.storage.k8s.io/pvc/name': name },
});

/** A map of more than 4 KiB is refused as a whole. */
const sizeOf = (fields: Fields): number => Buffer.byteLength(JSON.stringify(Object.values(fields)[0]));
