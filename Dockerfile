# The driver's image: Node, one bundled file, a small init and the tools that the driver calls.
#
#   docker build -t csi-driver-subdir:dev .
#   docker buildx build --platform linux/amd64,linux/arm64 …
#
# Both base images are arguments, so that locally made ones can take their place (test/e2e/ground/image).
ARG NODE_IMAGE=docker.io/library/node:26-trixie-slim
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

# The bundle is the same for every processor: it is made on the builder's own, only Node's binary is the target's.
FROM ${NODE_IMAGE} AS node
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
# Without install scripts: the only package that has one worth running is `node`, and Node is here already.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY proto proto
COPY scripts scripts
COPY src src
RUN npm run build

FROM ${BASE_IMAGE}
# What the driver calls, and nothing else:
#   mount, nfs-common              mount(8), umount(8), mount.nfs
#   e2fsprogs, quota               project quotas, of ext4 and of XFS
#   btrfs-progs                    subvolumes, their limits and snapshots
#   libatomic1, libstdc++6         what Node's own binary is linked with
#   tini                           PID 1
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      btrfs-progs e2fsprogs libatomic1 libstdc++6 mount nfs-common quota tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc /usr/share/locale /usr/share/man \
 && find / -xdev -perm /6000 -type f -exec chmod a-s {} +
# The binary only: a driver needs neither npm nor Node's headers.
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=build /src/dist/csi-subdir.cjs /usr/local/lib/csi-subdir/csi-subdir.cjs

ARG VERSION=dev
LABEL org.opencontainers.image.title="csi-driver-subdir" \
      org.opencontainers.image.description="CSI driver: every PersistentVolumeClaim becomes a directory" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# One arena of glibc: each of Node's threads would keep one of its own, 15 MB after a burst of calls.
ENV LC_ALL=C NODE_ENV=production MALLOC_ARENA_MAX=1
# tini is PID 1: a Node process that hangs on storage could not even be killed there, and nobody would reap its children.
# The young generation is kept small: after a burst of calls the process holds half the memory, at the same latency.
ENTRYPOINT ["/usr/bin/tini", "--", "node", "--max-semi-space-size=4", \
  "/usr/local/lib/csi-subdir/csi-subdir.cjs"]
CMD ["serve"]
