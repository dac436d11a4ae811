import type { IdentityDefinition } from '../gen/csi/v1/Identity.ts';
import type { PluginCapability } from '../gen/csi/v1/PluginCapability.ts';
import type { Methods } from './unary.ts';

export interface Plugin {
  readonly driverName: string;
  readonly version: string;
  /** True when volumes can be reached from some nodes only. */
  readonly hasTopology: boolean;
  /** Answers from memory: a probe never waits for storage. */
  readonly isReady: () => boolean;
}

export const createIdentity = (plugin: Plugin): Methods<IdentityDefinition> => ({
  GetPluginInfo: () => ({ name: plugin.driverName, vendor_version: plugin.version }),
  GetPluginCapabilities: () => ({ capabilities: pluginCapabilities(plugin) }),
  Probe: () => ({ ready: { value: plugin.isReady() } }),
});

/** Those of the plugin as a whole: the specification wants the same from every instance, whatever it serves. */
const CONTROLLERS = ['CONTROLLER_SERVICE', 'GROUP_CONTROLLER_SERVICE'] as const;

const pluginCapabilities = ({ hasTopology }: Plugin): PluginCapability[] => [
  ...CONTROLLERS.map((type) => ({ service: { type } })),
  ...(hasTopology ? [{ service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' as const } }] : []),
  { volume_expansion: { type: 'ONLINE' as const } },
];
