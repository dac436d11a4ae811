# The files of a node and of its control plane: certificates, kubeconfigs, and what containerd and the kubelet read.

authority() { # the cluster's own, and the key of its service accounts
  mkdir -p "$state/pki"; chmod 700 "$state/pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=csi-e2e \
    -keyout "$state/pki/ca.key" -out "$state/pki/ca.crt" -addext keyUsage=critical,digitalSignature,keyCertSign 2>/dev/null
  openssl genrsa -out "$state/pki/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$state/pki/accounts.key" -pubout -out "$state/pki/accounts.pub" 2>/dev/null
}

certificate() { # NAME SUBJECT [ALTERNATIVE-NAMES]
  local file=$state/pki/$1
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" -keyout "$file.key" 2>/dev/null |
    openssl x509 -req -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -set_serial "0x$(openssl rand -hex 12)" -days 30 \
      -out "$file.crt" 2>/dev/null -extfile <(
        echo 'keyUsage=digitalSignature'; echo 'extendedKeyUsage=serverAuth,clientAuth'
        [ $# -lt 3 ] || echo "subjectAltName=$3")
}

node_certificate() { # NODE ADDRESS
  certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$2"
}

kubeconfig() { # NAME: for who has the certificate of that name
  cat >"$state/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://$api", certificate-authority: $state/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $state/pki/$1.crt, client-key: $state/pki/$1.key}}]
contexts: [{name: e2e, context: {cluster: e2e, user: $1}}]
current-context: e2e
END
}

# Files of one node, into DIR. ROOT is where its containerd and pods keep things.
node_files() { # DIR NODE ADDRESS PODS (a /24, without its last number) ROOT BRIDGE BIN CNI-BIN
  local dir=$1 node=$2 address=$3 pods=$4 root=$5 bridge=$6 runc=$7 cni=$8
  mkdir -p "$dir/net.d" "$dir/registries/_default"
  # Every registry is a port that nobody listens on: an image that is not there fails at once, and nobody is asked.
  echo 'server = "http://127.0.0.1:1"' >"$dir/registries/_default/hosts.toml"
  : >"$dir/resolv.conf"
  # The bridge has its address already: were it the plugin that gave it one, it would also make this machine a router.
  cat >"$dir/net.d/pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "$bridge",
  "ipam": {"type": "host-local", "dataDir": "$root/cni", "ranges": [[{"subnet": "$pods.0/24", "gateway": "$pods.1"}]],
           "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
  cat >"$dir/containerd.toml" <<END
version = 3
root = "$root/containerd/root"
state = "$root/containerd/state"
[grpc]
  address = "$root/containerd/sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$pause_image"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "$dir/registries"
[plugins."io.containerd.cri.v1.runtime"]
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "$runc/runc"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$cni"]
    conf_dir = "$dir/net.d"
END
  # syncFrequency: how soon a running pod's volume grows. Images are not collected: they cannot be pulled again.
  cat >"$dir/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://$root/containerd/sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/$node.crt
tlsPrivateKeyFile: $state/pki/$node.key
clusterDNS: [${api%.*}.10]      # nobody answers there: no pod asks
resolvConf: $dir/resolv.conf
podLogsDir: $root/pod-logs
volumePluginDir: $root/volume-plugins
failSwapOn: false
syncFrequency: 10s
runtimeRequestTimeout: 10m
makeIPTablesUtilChains: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
END
}
