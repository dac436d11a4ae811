import type { RegistrationDefinition } from '../gen/pluginregistration/Registration.ts';
import type { Log } from '../system/log.ts';
import type { Methods } from './unary.ts';

/** How far the kubelet is with us. */
export type RegistrationState = 'waiting' | 'registered' | 'refused';

export interface Registration {
  readonly methods: Methods<RegistrationDefinition>;
  readonly state: () => RegistrationState;
}

/** The kubelet's plugin registration, served by the driver itself: a node needs no registrar beside it. */
export const createRegistration = (driverName: string, endpoint: string, log: Log): Registration => {
  let state: RegistrationState = 'waiting';
  return {
    state: () => state,
    methods: {
      GetInfo: () => ({ type: 'CSIPlugin', name: driverName, endpoint, supported_versions: ['1.0.0'] }),
      NotifyRegistrationStatus: ({ plugin_registered, error }) => {
        state = plugin_registered ? 'registered' : 'refused';
        if (plugin_registered) log.info({ driverName, endpoint }, 'registered with the kubelet');
        else log.error({ driverName, endpoint, reason: error }, `the kubelet refused the registration: ${WHAT_TO_DO}`);
        return {};
      },
    },
  };
};

const WHAT_TO_DO =
  'is another driver of this name on the node, and does --registration-endpoint name --socket as the kubelet sees it?';
