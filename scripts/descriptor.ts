// Gives protobufjs the google/protobuf files that csi.proto imports.
import '@grpc/proto-loader';
import protobuf from 'protobufjs';

/** Prints the parsed .proto files as the JSON that proto-loader's fromJSON reads. */
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => target;
root.loadSync(process.argv.slice(2), { keepCase: true });
process.stdout.write(`${JSON.stringify(root.toJSON(), null, 1)}\n`);
