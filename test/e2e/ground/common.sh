# What the programs of this folder share: where things are, and processes that are known by more than their number.

ground=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/csi-driver-subdir/ground
bin=$cache/bin
state=$cache/cluster                       # all that `cluster up` makes, and `cluster down` removes

node_bridge=csi-e2e-nodes node_net=10.240.0 pod_bridge=csi-e2e-pods pod_net=10.244
# The address of the service `kubernetes` is the API server's own: no kube-proxy is needed to reach it from pods.
api=10.96.0.1
pause_image=registry.k8s.io/pause:3.10.1
export KUBECONFIG=$state/admin.kubeconfig no_proxy='*' NO_PROXY='*' CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=true

say() { echo "ground: $*" >&2; }
fail() { say "$*"; exit 1; }
kubectl() { "$bin/kubectl" "$@"; }
ctr_() { "$bin/ctr" --address "$state/containerd/sock" --namespace k8s.io "$@"; }

wait_for() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "$what: waited in vain (logs: $state/log)"
    sleep 0.2
  done
}

# A process is known by its number and the time it started: a number that was given away again is not ours.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
note() { echo "$1 $(born "$1")" >"$2"; }
is_running() { local pid time; read -r pid time 2>/dev/null <"$1" && [ -n "$time" ] && [ "$(born "$pid")" = "$time" ]; }

start() { # NAME COMMAND...
  local name=$1; shift
  ! is_running "$state/run/$name" || return 0
  mkdir -p "$state/run" "$state/log"
  setsid nohup "$@" </dev/null >>"$state/log/$name" 2>&1 &
  note $! "$state/run/$name"
  disown
}

stop() { # NAME: ask it and its children, then insist after 15 seconds
  local file=$state/run/$1 pid _ end=$((SECONDS + 15))
  if is_running "$file"; then
    read -r pid _ <"$file"
    kill -- "-$pid" || true
    while is_running "$file"; do
      [ $SECONDS -lt $end ] || kill -KILL -- "-$pid" || true
      sleep 0.1
    done
  fi
  rm -f "$file"
}

unmount_below() { # DIR: deepest first; what does not answer is detached
  local path
  awk -v dir="$1" 'index($5 "/", dir "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r path; do
    timeout 5 umount "$path" 2>/dev/null || umount --lazy "$path" || true
  done
}
