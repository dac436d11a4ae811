/** The access modes of the CSI spec, by their own names. */
export const ACCESS_MODES = [
  'SINGLE_NODE_WRITER',
  'SINGLE_NODE_READER_ONLY',
  'SINGLE_NODE_SINGLE_WRITER',
  'SINGLE_NODE_MULTI_WRITER',
  'MULTI_NODE_READER_ONLY',
  'MULTI_NODE_SINGLE_WRITER',
  'MULTI_NODE_MULTI_WRITER',
] as const;

export type AccessMode = (typeof ACCESS_MODES)[number];

/** How a volume is to be used: always as a mounted directory, never as a block device. */
export interface VolumeCapability {
  readonly mode: AccessMode;
  /** As they came; the pool knows which of them it allows. */
  readonly mountOptions: readonly string[];
}

export const isReaderOnly = (mode: AccessMode): boolean =>
  mode === 'SINGLE_NODE_READER_ONLY' || mode === 'MULTI_NODE_READER_ONLY';
