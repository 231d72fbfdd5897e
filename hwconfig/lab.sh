#!/bin/sh
# A private network for one command. Either a wire: a veth pair whose one end, rialto0, lies beside the
# command without an address (a DPDK port takes it), and whose other end, lab0 with 10.9.0.2/24, lies in
# the network namespace `brokers`. Or, with --nodes N, a cluster's: namespaces `node1` to `nodeN`, each
# with `front`, 10.9.0.11/24 and so on, where brokers are, and `back`, 10.9.1.1/24 and so on, where the
# others are; the command lies at the switches of both, bridges of the same names, and is 10.9.0.100 to
# the front. It reaches a namespace by: ip netns exec brokers ...
#
# usage: lab.sh [--nodes N] COMMAND [ARGUMENT...]   (or: sh -c "$(cat lab.sh)" lab ...)
#
# Runs as root and as an ordinary user. Nothing is made on the host: everything is in namespaces of
# its own and goes away with the command, also when this script is killed.
set -eu

need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "lab: $1 is missing; on Debian or Ubuntu: apt-get install -y $2" >&2
    exit 69
}

# What happens inside. /run belongs to the host, and `ip netns` keeps its names there. Without a NIC
# nobody would do the checksums and the segmentation that the kernel leaves to one. A switch has an
# Ethernet address that is given, or it would be that of one of its cables, and change with them.
WIRE='
    set -eu
    mount -t tmpfs -o mode=755 none /run
    ip netns add brokers
    ip link add rialto0 type veth peer name lab0 netns brokers
    ip link set lo up
    ip link set rialto0 up
    ip -n brokers link set lo up
    ip -n brokers addr add 10.9.0.2/24 dev lab0
    ip -n brokers link set lab0 up
    ip -n brokers route add 224.0.0.0/4 dev lab0
    ip netns exec brokers ethtool -K lab0 tx off tso off gso off >/dev/null
    exec "$@"
'
CLUSTER='
    set -eu
    nodes=$1
    shift
    mount -t tmpfs -o mode=755 none /run
    ip link set lo up
    for net in front back; do
        ip link add $net address 02:00:00:00:00:fe type bridge mcast_snooping 0
        ip link set $net up
    done
    ip addr add 10.9.0.100/24 dev front
    ip route add 224.0.0.0/4 dev front
    ethtool -K front tx off tso off gso off >/dev/null
    for node in $(seq "$nodes"); do
        ip netns add "node$node"
        ip -n "node$node" link set lo up
        for net in front back; do
            ip link add "$net$node" type veth peer name $net netns "node$node"
            ip link set "$net$node" master $net up
            ip -n "node$node" link set $net up
        done
        ip -n "node$node" addr add "10.9.0.$((10 + node))/24" dev front
        ip -n "node$node" addr add "10.9.1.$node/24" dev back
    done
    exec "$@"
'

usage() {
    echo "usage: lab.sh [--nodes N] COMMAND [ARGUMENT...]" >&2
    exit 64
}

setup=$WIRE
[ "${1-}" != --nodes ] || { setup=$CLUSTER; shift; [ $# -gt 1 ] || usage; }
[ $# -gt 0 ] || usage
PATH=$PATH:/usr/sbin:/sbin
export PATH
need unshare util-linux
need ip iproute2
need ethtool ethtool

user=
[ "$(id -u)" -eq 0 ] || user='--user --map-root-user'
# First the namespaces alone, so that a host that forbids them is told from a command that fails.
# shellcheck disable=SC2086 # no word or two
unshare $user --net --mount --pid --fork true || {
    echo "lab: this host lets user $(id -un) make no namespaces; run as root, or allow them" \
        "(sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0)" >&2
    exit 77
}
# shellcheck disable=SC2086
exec unshare $user --net --mount --pid --fork --kill-child --mount-proc \
    /bin/sh -c "$setup" lab "$@"
