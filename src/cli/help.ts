import { environmentName, kebab, optionsSchema } from '../config/options.ts';
import { VERSION } from '../config/version.ts';

/** What `csi-subdir help` prints; the options come from where they are defined. */
export const help = (): string => `csi-subdir ${VERSION}: every PersistentVolumeClaim is a directory

  csi-subdir serve [options]          serve CSI on a Unix socket
  csi-subdir check [options]          say what each pool is, what it can do and what is wrong with it
  csi-subdir volumes list [-o json]   list the volumes that the records know
  csi-subdir volumes adopt --size QUANTITY [--pool NAME] [--write] DIRECTORY...
                                      make directories that exist into volumes, and print their PVs
  csi-subdir volumes enforce [--pool NAME] [--write]
                                      hold volumes to their size that were made before sizes were enforced
  csi-subdir volumes orphans [--pool NAME] [--cluster FILE|-]
                                      list what no volume, PersistentVolume or pod belongs to, with its size
  csi-subdir volumes orphans --remove|--adopt [--size QUANTITY] [--write] DIRECTORY...
                                      remove or adopt those that are named
  csi-subdir demo [--keep]            take one volume through its life, here and now, without a cluster

Options (each also from the environment):
${describeOptions()
  .map(
    ({ flag, variable, fallback, text }) =>
      `  ${flag} (${variable})\n      ${text}${fallback === '' ? '' : ` Default: ${fallback}`}`,
  )
  .join('\n')}
`;

export interface OptionText {
  readonly flag: string;
  readonly variable: string;
  readonly fallback: string;
  readonly text: string;
}

export const describeOptions = (): readonly OptionText[] =>
  Object.entries(optionsSchema.shape).map(([key, schema]) => ({
    flag: `--${kebab(key)}`,
    variable: environmentName(key),
    fallback: String(schema.parse(undefined)),
    text: schema.description ?? '',
  }));
