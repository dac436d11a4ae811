#!/bin/sh
# Makes the claim `site` (claim-and-pod.yaml) bigger, while it is used. Smaller it cannot get.
set -eu
kubectl patch pvc site --patch '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}'
kubectl wait pvc site --for=jsonpath='{.status.capacity.storage}'=2Gi --timeout=5m
