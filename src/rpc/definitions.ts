import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import descriptor from '../gen/descriptor.json' with { type: 'json' };

export type ServiceName =
  | 'csi.v1.Identity'
  | 'csi.v1.Controller'
  | 'csi.v1.GroupController'
  | 'csi.v1.Node'
  | 'pluginregistration.Registration';

export type Definitions = Readonly<Record<ServiceName, ServiceDefinition>>;

/** The services of proto/, as grpc-js takes them. Numbers of 64 bits arrive as numbers; decode refuses unsafe ones. */
export const loadDefinitions = (): Definitions => {
  const json = descriptor as unknown as Parameters<typeof fromJSON>[0];
  const loaded = fromJSON(json, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true });
  return loaded as unknown as Definitions;
};
