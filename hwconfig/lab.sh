#!/bin/sh
# A private network: the node's interface rialto0 here, and its other end lab0 in the namespace
# `brokers`. Nothing of it is seen from outside, and it is gone when the command ends.
#     lab.sh COMMAND...         a client in it: ip netns exec brokers COMMAND...
set -e
as_user=
[ "$(id -u)" -eq 0 ] || as_user="--user --map-root-user"
# shellcheck disable=SC2086
exec unshare $as_user --net --mount --pid --fork --kill-child --mount-proc sh -c '
set -e
mount -t tmpfs -o mode=755 none /run
ip netns add brokers
ip link add rialto0 type veth peer name lab0 netns brokers
ip link set lo up
ip link set rialto0 up
ip -n brokers link set lo up
ip -n brokers addr add 10.9.0.2/24 dev lab0
ip -n brokers link set lab0 up
ip netns exec brokers ethtool -K lab0 tx off tso off gso off >/dev/null
exec "$@"
' lab "$@"
