import { type ClientUnaryCall, credentials, makeClientConstructor, type ServiceError } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { ControllerDefinition } from '../gen/csi/v1/Controller.ts';
import type { GroupControllerDefinition } from '../gen/csi/v1/GroupController.ts';
import type { IdentityDefinition } from '../gen/csi/v1/Identity.ts';
import type { NodeDefinition } from '../gen/csi/v1/Node.ts';
import { loadDefinitions } from './definitions.ts';

/** A service as its callers see it: one promise per call, which fails with a gRPC ServiceError. */
export type Client<Definition> = {
  readonly [Name in keyof Definition as string extends Name ? never : Name]: Definition[Name] extends MethodDefinition<
    infer Request,
    infer _ResponseIn,
    infer _RequestOut,
    infer Response
  >
    ? (request: Request, deadlineMs?: number) => Promise<Response>
    : never;
};

export interface CsiClient {
  readonly identity: Client<IdentityDefinition>;
  readonly controller: Client<ControllerDefinition>;
  readonly groupController: Client<GroupControllerDefinition>;
  readonly node: Client<NodeDefinition>;
  readonly close: () => void;
}

/** Speaks CSI on a Unix socket, as the kubelet and the sidecars do. A call has five minutes unless it says otherwise. */
export const connectCsi = (socket: string): CsiClient => {
  const definitions = loadDefinitions();
  const open = ['csi.v1.Identity', 'csi.v1.Controller', 'csi.v1.GroupController', 'csi.v1.Node'] as const;
  const services = open.map((name) => {
    const Service = makeClientConstructor(definitions[name], name);
    // The channel's own name would be the escaped path, which HTTP/2 does not take as an authority.
    return new Service(`unix:${socket}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' });
  });
  const [identity, controller, groupController, node] = services.map(promised);
  const clients = { identity, controller, groupController, node };
  return {
    ...(clients as unknown as Omit<CsiClient, 'close'>),
    close: () => services.map((one) => one.close()),
  };
};

type Call = (
  request: unknown,
  options: object,
  answer: (error: ServiceError | null, response: unknown) => void,
) => ClientUnaryCall;

const promised = (client: unknown): unknown =>
  new Proxy(client as Record<string, Call>, {
    get:
      (target, method: string) =>
      (request: unknown, deadlineMs = 300_000) =>
        new Promise((resolve, reject) => {
          const deadline = Date.now() + deadlineMs;
          target[method]?.call(target, request, { deadline }, (error, response) =>
            error === null ? resolve(response) : reject(error),
          );
        }),
  });
